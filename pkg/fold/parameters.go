package fold

import "github.com/ringback/ringback/pkg/callback"

// override lets the _cb_* parameters of the requests override what was derived: only
// the application that made the offer knows it. The parameters of several requests
// are merged, name by name, and the later request wins.
//
// A value that is not of its KVP's type, as the producer would have found (see
// callback.KVP.AcceptParameter), is counted and treated as not given: an earlier
// request's value, or the derived one, stays. A name that is no reporting parameter
// means nothing here and is not counted.
func (s *session) override(r *Result) {
	for i := s.first(requested); i >= 0; i = s.next(i, requested) {
		for name, text := range s.events[i].Data.Parameters {
			k, ok := callback.KVPByParameter(name)
			if !ok {
				continue
			}
			value, ok := k.AcceptParameter(text)
			if !ok {
				r.IgnoredParameters++
				continue
			}
			value.By = int32(i)
			r.KVPs[k] = value
		}
	}
}
