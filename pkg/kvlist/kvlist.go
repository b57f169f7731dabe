// Package kvlist is the user data of T-Server messages: an ordered list of
// key-value pairs, in which a key may come more than once.
package kvlist

import "strconv"

// Kind is the type of a pair's value, numbered as T-Server logs print it in the
// third byte of a packed list.
type Kind uint8

// The kinds of value.
const (
	String  Kind = 0x00
	Integer Kind = 0x01 // 32 bits
	List    Kind = 0x03
)

// Pair is one key-value pair.
type Pair struct {
	Key  string
	Kind Kind
	Str  string // of kind String
	Int  int64  // of kind Integer
	List []Pair // of kind List
}

// Str makes a pair with a string value.
func Str(key, value string) Pair { return Pair{Key: key, Kind: String, Str: value} }

// Int makes a pair with an integer value.
func Int(key string, value int64) Pair { return Pair{Key: key, Kind: Integer, Int: value} }

// The bytes that packing adds. They are the one solution of the sizes that
// published T-Server logs print beside the full contents (package test); the order
// of the bytes inside a pair is not known, and nothing here packs a list.
const (
	listBytes        = 2 // number of pairs
	stringPairBytes  = 5 // type and two lengths, less the key and the value
	integerPairBytes = 5 + 4
	listPairBytes    = 7
)

// Size is the packed size in bytes that a T-Server log prints for the list, as in
// "[347] 00 0c 00 00..".
func Size(pairs []Pair) int {
	n := listBytes
	for i := range pairs {
		p := &pairs[i]
		n += len(p.Key)
		switch p.Kind {
		case Integer:
			n += integerPairBytes
		case List:
			n += listPairBytes + Size(p.List)
		default:
			n += stringPairBytes + len(p.Str)
		}
	}
	return n
}

// Text is the value as ICON stores it: a string, an integer in decimal; a list is ignored, and so empty.
func (p *Pair) Text() string {
	switch p.Kind {
	case Integer:
		return strconv.FormatInt(p.Int, 10)
	case List:
		return ""
	default:
		return p.Str
	}
}
