// Package asyncapi is the contract of the topics: what is in them, as an AsyncAPI 3 document and as
// what the services create them with.
package asyncapi

import _ "embed"

// Document describes all topics, with their schemas. It is generated from Topics and the schemas.
//
//go:embed ringback.json
var Document []byte
