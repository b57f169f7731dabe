module github.com/ringback/ringback/schemas

go 1.26.0

toolchain go1.26.10
