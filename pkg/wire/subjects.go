package wire

// Subjects lists the subjects that the schemas are registered under.
func Subjects() []string {
	all := shapes()
	var subjects []string
	for _, s := range []*shape{all.lifecycle, all.userEvent, all.attached, all.deadLetter, all.state, all.position} {
		subjects = append(subjects, s.subject)
	}
	return subjects
}
