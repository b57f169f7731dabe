// Package gateway is the HTTP client of the T-Server gateway contract
// (schemas/openapi/tserver-gateway.yaml): it has user events distributed on a
// reporting DN and the user data of calls updated.
//
// What comes back is one of three: an Ack; T-Server's refusal, *EventError or
// ErrCallGone; or an error of pkg/fault's classes, after which nothing is known of
// the request but that it was not acknowledged (invariants 7 and 8).
package gateway
