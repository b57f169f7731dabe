// Package integration holds the tests that need several real parts at once: brokers, PostgreSQL, a
// schema registry, and the services as processes of their own. It is a module apart, outside the
// workspace, so that what only tests need is not among the services' dependencies.
package integration
