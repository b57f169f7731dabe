package sqlite_test

import (
	"testing"

	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func BenchmarkApply(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Database { return newDatabase(b) })
}
