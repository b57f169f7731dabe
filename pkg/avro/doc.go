// Package avro encodes and decodes Avro records, and reads what was written with
// another version of a schema.
//
// goavro checks every schema, and reads and writes floats and fixeds; the tests hold all
// other values against it. They are read and written here, with the checks that goavro
// lacks and without its allocations, as is what goavro does not have: the walk over
// records, unions, arrays and maps. The package resolves the
// writer's schema against the reader's as the Avro specification says (names and
// aliases, defaults, promotions, unknown enum symbols), it writes maps in the order
// of their keys so that equal records have equal bytes (invariant 3), it makes no Go
// map for a record or a union, and it believes no length that the input does not cover.
package avro
