package infomart

import (
	"strconv"

	"github.com/ringback/ringback/pkg/callback"
)

// Unknown is the value of a dimension's text attribute that no KVP gives.
const Unknown = "UNKNOWN"

// Dimension is a table of which each row is one combination of attributes.
type Dimension struct {
	Table      string
	Attributes []Attribute
	factColumn int
}

// Attribute is one attribute of a dimension.
type Attribute struct {
	Column
	KVP callback.KVP
}

// KeyColumn is the column of CALLBACK_FACT that refers to the dimension.
func (d *Dimension) KeyColumn() string { return factColumns[d.factColumn].Name }

// dimensions takes its attributes from the schema of the UserEvent, in its order.
var dimensions = func() []Dimension {
	all := []Dimension{
		{Table: "CALLBACK_DIM_1"}, {Table: "CALLBACK_DIM_2"}, {Table: "CALLBACK_DIM_3"},
		{Table: "CALLBACK_DIM_4"}, {Table: "CALLBACK_DIAL_RESULTS"},
	}
	for i := range all {
		all[i].factColumn = columnIndex(all[i].Table + "_KEY")
		for k := range callback.KVP(callback.NumKVPs) {
			info := k.Info()
			if info.Table != all[i].Table {
				continue
			}
			column := Column{info.Column, Text, true, Unknown}
			if info.Kind != callback.String {
				column = zero(info.Column)
			}
			all[i].Attributes = append(all[i].Attributes, Attribute{column, k})
		}
	}
	return all
}()

// Dimensions lists the dimensions whose rows are combinations of attributes.
func Dimensions() []Dimension { return dimensions }

// NumDimensions is the number of Dimensions.
const NumDimensions = 5

// RefKind is the kind of row that a fact refers to.
type RefKind uint8

// The kinds of reference. A kind below NumDimensions is an index of Dimensions.
const (
	RefResource RefKind = NumDimensions + iota // RESOURCE_
	RefTenant                                  // TENANT; its key is the tenant's DBID
	RefDay                                     // the 96 rows of one UTC day in DATE_TIME
)

// Ref is a dimension row that has to be there before the fact is written.
type Ref struct {
	Kind RefKind
	// Values are, of a dimension, its attributes in order; of a tenant, its DBID; of
	// a day, the epoch second it begins; of a resource, nothing.
	Values   []any
	Resource *Resource

	id string
}

// ID tells references apart: equal for the same row, and only then.
func (r *Ref) ID() string { return r.id }

// Resource is a virtual queue, as the UserEvent names it.
type Resource struct {
	Name      string
	DBID      *int64
	CfgTypeID *int64
	CfgType   *string
}

func combination(i int, kvps *callback.KVPs) Ref {
	d := &dimensions[i]
	ref := Ref{Kind: RefKind(i), Values: make([]any, len(d.Attributes))}
	id := append(make([]byte, 0, 96), byte('0'+i))
	for j := range d.Attributes {
		a := &d.Attributes[j]
		v := &kvps[a.KVP]
		switch {
		case a.Type == Int:
			n := v.Int
			ref.Values[j] = n
			id = strconv.AppendInt(append(id, '|'), n, 10)
			continue
		case v.Set:
			ref.Values[j] = v.Str
		default:
			ref.Values[j] = Unknown
		}
		s := ref.Values[j].(string)
		// The length keeps ("a|1:b", "c") apart from ("a", "b|1:c").
		id = strconv.AppendInt(append(id, '|'), int64(len(s)), 10)
		id = append(append(id, ':'), s...)
	}
	ref.id = string(id)
	return ref
}

// resourceRef returns false where no virtual queue is named: such a fact has RESOURCE_KEY -1.
func resourceRef(kvps *callback.KVPs) (Ref, bool) {
	name := &kvps[callback.KeyDimVQ]
	if !name.Set || name.Str == "" {
		return Ref{}, false
	}
	r := &Resource{Name: name.Str}
	id := "r|" + name.Str
	if v := &kvps[callback.KeyDimVQDBID]; v.Set {
		r.DBID = &v.Int
		id = "r" + strconv.FormatInt(v.Int, 10) + "|" + name.Str
	}
	if v := &kvps[callback.KeyVQCfgTypeID]; v.Set {
		r.CfgTypeID = &v.Int
	}
	if v := &kvps[callback.KeyVQCfgType]; v.Set {
		r.CfgType = &v.Str
	}
	return Ref{Kind: RefResource, Resource: r, id: id}, true
}

func tenantRef(dbid int64) Ref {
	return Ref{Kind: RefTenant, Values: []any{dbid}, id: "t" + strconv.FormatInt(dbid, 10)}
}

func dayRef(day int64) Ref {
	return Ref{Kind: RefDay, Values: []any{day}, id: "d" + strconv.FormatInt(day, 10)}
}

// ResourceColumns lists the attributes of RESOURCE_ in the order of a Resource.
var ResourceColumns = []string{"RESOURCE_NAME", "RESOURCE_CFG_DBID", "RESOURCE_CFG_TYPE_ID", "RESOURCE_CFG_TYPE"}

// ID is the DBID as a value of RESOURCE_CFG_DBID; nil where none is given.
func (r *Resource) ID() any { return orNil(r.DBID) }

// TypeID is CfgTypeID as a value of RESOURCE_CFG_TYPE_ID.
func (r *Resource) TypeID() any { return orNil(r.CfgTypeID) }

// Type is CfgType as a value of RESOURCE_CFG_TYPE.
func (r *Resource) Type() any { return orNil(r.CfgType) }

func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
