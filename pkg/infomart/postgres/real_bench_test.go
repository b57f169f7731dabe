//go:build realpostgres

package postgres_test

import (
	"testing"

	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func BenchmarkRealApply(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Database { return newDatabase(b) })
}
