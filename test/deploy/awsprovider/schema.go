package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// The schema of hashicorp/aws for the types of types.txt, in the form of `terraform providers schema -json`. It comes out
// of refresh.sh and is under the MPL 2.0: see NOTICE.
//
//go:embed schema.json.gz
var packed []byte

type attribute struct {
	Type      json.RawMessage `json:"type"`
	Required  bool            `json:"required"`
	Optional  bool            `json:"optional"`
	Computed  bool            `json:"computed"`
	WriteOnly bool            `json:"write_only"`
}

type nested struct {
	Block       block  `json:"block"`
	NestingMode string `json:"nesting_mode"`
	MinItems    int64  `json:"min_items"`
	MaxItems    int64  `json:"max_items"`
}

type block struct {
	Attributes map[string]attribute `json:"attributes"`
	BlockTypes map[string]nested    `json:"block_types"`
}

type entry struct {
	Version int64 `json:"version"`
	Block   block `json:"block"`
}

// schemas are those of the provider's own settings, of resources, of data sources and of ephemeral resources.
type schemas struct {
	settings                   *tfprotov5.Schema
	resources, data, ephemeral map[string]*tfprotov5.Schema
}

func unpack(packed []byte) (schemas, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return schemas{}, err
	}
	var in struct {
		Provider  entry            `json:"provider"`
		Resources map[string]entry `json:"resource_schemas"`
		Data      map[string]entry `json:"data_source_schemas"`
		Ephemeral map[string]entry `json:"ephemeral_resource_schemas"`
	}
	if err := json.NewDecoder(zr).Decode(&in); err != nil {
		return schemas{}, err
	}
	var out schemas
	var errs [4]error
	out.settings, errs[0] = in.Provider.schema()
	out.resources, errs[1] = all(in.Resources)
	out.data, errs[2] = all(in.Data)
	out.ephemeral, errs[3] = all(in.Ephemeral)
	return out, errors.Join(errs[:]...)
}

func all(in map[string]entry) (map[string]*tfprotov5.Schema, error) {
	out := map[string]*tfprotov5.Schema{}
	for name, e := range in {
		s, err := e.schema()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = s
	}
	return out, nil
}

func (e entry) schema() (*tfprotov5.Schema, error) {
	b, err := e.Block.schema()
	return &tfprotov5.Schema{Version: e.Version, Block: b}, err
}

var nestings = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov5.SchemaNestedBlockNestingModeList,
	"set":    tfprotov5.SchemaNestedBlockNestingModeSet,
	"map":    tfprotov5.SchemaNestedBlockNestingModeMap,
}

func (b block) schema() (*tfprotov5.SchemaBlock, error) {
	out := &tfprotov5.SchemaBlock{}
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		a := b.Attributes[name]
		//lint:ignore SA1019 the schema is in the form that this reads, and the library has nothing else for it
		t, err := tftypes.ParseJSONType(a.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, a.Type, err)
		}
		out.Attributes = append(out.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: t, Required: a.Required, Optional: a.Optional, Computed: a.Computed, WriteOnly: a.WriteOnly,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(b.BlockTypes)) {
		n := b.BlockTypes[name]
		inner, err := n.Block.schema()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out.BlockTypes = append(out.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: inner, Nesting: nestings[n.NestingMode], MinItems: n.MinItems, MaxItems: n.MaxItems,
		})
	}
	return out, nil
}
