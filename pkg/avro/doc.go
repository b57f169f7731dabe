// Package avro encodes and decodes Avro records, and reads what was written with
// another version of a schema.
//
// goavro checks every schema and reads and writes every value. What goavro does not
// have is here: the walk over records, unions, arrays and maps. It resolves the
// writer's schema against the reader's as the Avro specification says (names and
// aliases, defaults, promotions, unknown enum symbols), it writes maps in the order
// of their keys so that equal records have equal bytes (invariant 3), it makes no Go
// map for a record or a union, and it believes no length that the input does not cover.
package avro
