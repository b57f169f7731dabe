package infomart

// Bisect calls try with items, and where it fails with an error that isData says is
// the data's, with halves of them, down to the single items that fail: those go to
// reject. try must leave nothing behind when it fails. Another error ends it.
func Bisect[T any](items []T, try func([]T) error, isData func(error) bool, reject func(T, error)) error {
	if len(items) == 0 {
		return nil
	}
	err := try(items)
	switch {
	case err == nil:
		return nil
	case !isData(err):
		return err
	case len(items) == 1:
		reject(items[0], err)
		return nil
	}
	half := len(items) / 2
	if err := Bisect(items[:half], try, isData, reject); err != nil {
		return err
	}
	return Bisect(items[half:], try, isData, reject)
}
