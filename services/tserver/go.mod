module github.com/ringback/ringback/services/tserver

go 1.26.0

require (
	github.com/ringback/ringback/pkg v0.0.0
)

replace (
	github.com/ringback/ringback/pkg => ../../pkg
	github.com/ringback/ringback/schemas => ../../schemas
)
