package intake

// Split returns the elements of a JSON array, each as its bytes in raw, of which
// they are parts. A batch that is no array, or broken JSON anywhere, is refused as
// a whole; that its elements are events is for Parse to say. Of more than limit
// elements it returns limit+1 and reads no further.
func Split(raw []byte, limit int) ([][]byte, *Refusal) {
	s := scanner{src: string(raw)}
	if s.peek() == 0 && s.pos >= len(s.src) {
		return nil, Whole("is empty")
	}
	if kind := s.kind(); kind != "an array" {
		return nil, Whole("must be a JSON array, was " + kind)
	}
	var elements [][]byte
	full := false
	ok := s.array(func() bool {
		start := s.pos
		if !s.skip() {
			return false
		}
		elements = append(elements, raw[start:s.pos:s.pos])
		full = len(elements) > limit
		return !full
	})
	if full {
		return elements, nil
	}
	if !ok || !s.end() {
		return nil, Whole("is not valid JSON: " + s.problem)
	}
	return elements, nil
}

// Element reports whether raw could be an element of a batch: one value, as Split reads
// it. Anything else would have the whole batch refused.
func Element(raw []byte) bool {
	s := scanner{src: string(raw), depth: 1}
	return s.skip() && s.end()
}
