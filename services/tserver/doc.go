// Package tserver is a SIMULATED T-Server: it serves the gateway contract (schemas/openapi/tserver-gateway.yaml) and
// writes the log that a T-Server writes, and does nothing else that a T-Server does. It is no Genesys product and not
// wire-compatible: it does not speak TLIB.
package tserver

// Banner says what this is; the command prints it, and each log file begins with it.
const Banner = "Simulated T-Server (Ringback): a simulator for development and tests, no Genesys product, not wire-compatible with TLIB"
