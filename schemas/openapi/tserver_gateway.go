// Package openapi holds the HTTP contracts, as OpenAPI 3 documents.
package openapi

import _ "embed"

// TServerGateway is the contract between the tserver sink and whatever stands
// before T-Server: the simulated T-Server, or a customer's own sidecar.
//
//go:embed tserver-gateway.yaml
var TServerGateway []byte
