package openapi

import _ "embed"

// Producer is the contract of the intake: lifecycle events over HTTP.
//
//go:embed producer.yaml
var Producer []byte
