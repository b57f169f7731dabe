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

	id     string
	event  *callback.UserEvent
	number int64 // of a tenant or a day
}

// ID tells references apart: equal for the same row, and only then.
func (r *Ref) ID() string { return r.id }

// Values are, of a dimension, its attributes in order; of a tenant, its DBID; of a day,
// the epoch second it begins; of a resource, nothing.
func (r *Ref) Values() []any {
	switch r.Kind {
	case RefResource:
		return nil
	case RefTenant, RefDay:
		return []any{r.number}
	}
	d := &dimensions[r.Kind]
	values := make([]any, len(d.Attributes))
	for i := range d.Attributes {
		a := &d.Attributes[i]
		if v := &r.event.KVPs[a.KVP]; a.Type == Int {
			values[i] = v.Int
		} else {
			values[i] = orUnknown(v)
		}
	}
	return values
}

// Resource is the virtual queue that a reference of kind RefResource names.
func (r *Ref) Resource() *Resource {
	kvps := &r.event.KVPs
	of := &Resource{Name: kvps[callback.KeyDimVQ].Str}
	if v := &kvps[callback.KeyDimVQDBID]; v.Set {
		of.DBID = &v.Int
	}
	if v := &kvps[callback.KeyVQCfgTypeID]; v.Set {
		of.CfgTypeID = &v.Int
	}
	if v := &kvps[callback.KeyVQCfgType]; v.Set {
		of.CfgType = &v.Str
	}
	return of
}

func orUnknown(v *callback.Value) string {
	if v.Set {
		return v.Str
	}
	return Unknown
}

// Resource is a virtual queue, as the UserEvent names it.
type Resource struct {
	Name      string
	DBID      *int64
	CfgTypeID *int64
	CfgType   *string
}

// references appends to refs what a fact refers to. Their ids share one piece of memory.
func references(refs []Ref, u *callback.UserEvent, tenant, day int64) []Ref {
	var room [512]byte
	ids := room[:0]
	var ends [NumDimensions + 3]int
	add := func(kind RefKind, number int64) {
		ends[len(refs)] = len(ids)
		refs = append(refs, Ref{Kind: kind, event: u, number: number})
	}
	for i := range dimensions {
		ids = appendCombination(ids, i, &u.KVPs)
		add(RefKind(i), 0)
	}
	// Where no virtual queue is named, RESOURCE_KEY is -1.
	if name := &u.KVPs[callback.KeyDimVQ]; name.Set && name.Str != "" {
		ids = append(ids, 'r')
		if dbid := &u.KVPs[callback.KeyDimVQDBID]; dbid.Set {
			ids = strconv.AppendInt(ids, dbid.Int, 10)
		}
		// One that brings a type is looked up though the queue is known: its row may lack it.
		if u.KVPs[callback.KeyVQCfgTypeID].Set {
			ids = append(ids, 'i')
		}
		if u.KVPs[callback.KeyVQCfgType].Set {
			ids = append(ids, 'c')
		}
		ids = append(append(ids, '|'), name.Str...)
		add(RefResource, 0)
	}
	ids = strconv.AppendInt(append(ids, 't'), tenant, 10)
	add(RefTenant, tenant)
	ids = strconv.AppendInt(append(ids, 'd'), day, 10)
	add(RefDay, day)
	all, from := string(ids), 0
	for i := range refs {
		refs[i].id = all[from:ends[i]]
		from = ends[i]
	}
	return refs
}

func appendCombination(id []byte, i int, kvps *callback.KVPs) []byte {
	id = append(id, byte('0'+i))
	d := &dimensions[i]
	for j := range d.Attributes {
		a := &d.Attributes[j]
		v := &kvps[a.KVP]
		if a.Type == Int {
			id = strconv.AppendInt(append(id, '|'), v.Int, 10)
			continue
		}
		s := orUnknown(v)
		// The length keeps ("a|1:b", "c") apart from ("a", "b|1:c").
		id = strconv.AppendInt(append(id, '|'), int64(len(s)), 10)
		id = append(append(id, ':'), s...)
	}
	return id
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
