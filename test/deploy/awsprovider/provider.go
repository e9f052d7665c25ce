package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// provider answers Terraform. Resources live in Terraform's state only.
type provider struct {
	schemas
	writes string // file that takes note of write-only arguments; "": none

	mu          sync.Mutex // guards the next two, and the file
	region      string
	defaultTags map[string]any
}

var _ tfprotov5.ProviderServer = (*provider)(nil)

func newProvider(writes string) (*provider, error) {
	s, err := unpack(packed)
	return &provider{schemas: s, writes: writes, region: "us-east-1"}, err
}

func (p *provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	r := &tfprotov5.GetMetadataResponse{ServerCapabilities: capabilities}
	for _, k := range slices.Sorted(maps.Keys(p.resources)) {
		r.Resources = append(r.Resources, tfprotov5.ResourceMetadata{TypeName: k})
	}
	for _, k := range slices.Sorted(maps.Keys(p.data)) {
		r.DataSources = append(r.DataSources, tfprotov5.DataSourceMetadata{TypeName: k})
	}
	for _, k := range slices.Sorted(maps.Keys(p.ephemeral)) {
		r.EphemeralResources = append(r.EphemeralResources, tfprotov5.EphemeralResourceMetadata{TypeName: k})
	}
	return r, nil
}

var capabilities = &tfprotov5.ServerCapabilities{GetProviderSchemaOptional: true}

func (p *provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		ServerCapabilities: capabilities, Provider: p.settings,
		ResourceSchemas: p.resources, DataSourceSchemas: p.data, EphemeralResourceSchemas: p.ephemeral,
	}, nil
}

func (p *provider) PrepareProviderConfig(_ context.Context, r *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p *provider) ConfigureProvider(_ context.Context, r *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	config, err := decode(p.settings, r.Config)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if region := text(config, "region"); region != "" {
		p.region = region
	}
	p.defaultTags, _ = object(config["default_tags"])["tags"].(map[string]any)
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (p *provider) ReadDataSource(_ context.Context, r *tfprotov5.ReadDataSourceRequest) (*tfprotov5.ReadDataSourceResponse, error) {
	s := p.data[r.TypeName]
	config, err := decode(s, r.Config)
	if err != nil {
		return nil, err
	}
	if err := p.find(r.TypeName, config); err != nil {
		return &tfprotov5.ReadDataSourceResponse{Diagnostics: []*tfprotov5.Diagnostic{{
			Severity: tfprotov5.DiagnosticSeverityError, Summary: fmt.Sprintf("reading %s: %v", r.TypeName, err),
		}}}, nil
	}
	made := p.maker("data_"+r.TypeName, config)
	for _, a := range s.Block.Attributes {
		if a.Computed && config[a.Name] == nil {
			config[a.Name] = made(a.Name, a.Type)
		}
	}
	v, err := encode(s, config)
	return &tfprotov5.ReadDataSourceResponse{State: v}, err
}

func (p *provider) PlanResourceChange(_ context.Context, r *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	s := p.resources[r.TypeName]
	planned, err := decode(s, r.ProposedNewState)
	if err != nil {
		return nil, err
	}
	prior, err := decode(s, r.PriorState)
	if err != nil {
		return nil, err
	}
	if planned == nil {
		return &tfprotov5.PlanResourceChangeResponse{PlannedState: r.ProposedNewState}, nil
	}
	for _, a := range s.Block.Attributes {
		switch {
		case a.WriteOnly:
			planned[a.Name] = nil
		case a.Computed && planned[a.Name] == nil && prior[a.Name] == nil, a.Name == "tags_all":
			planned[a.Name] = p.foreseen(r.TypeName, a.Name, planned)
		}
	}
	resp := &tfprotov5.PlanResourceChangeResponse{}
	if prior != nil {
		for _, name := range replaces(r.TypeName, s) {
			if !same(prior[name], planned[name]) {
				resp.RequiresReplace = append(resp.RequiresReplace, tftypes.NewAttributePath().WithAttributeName(name))
			}
		}
	}
	resp.PlannedState, err = encode(s, planned)
	return resp, err
}

// foreseen is what the real provider says of a computed attribute in the plan already: mostly that it is unknown.
func (p *provider) foreseen(typ, name string, planned map[string]any) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch name {
	case "region":
		return p.region
	case "tags_all":
		if !known(planned["tags"]) {
			return unknown{}
		}
		all := maps.Clone(p.defaultTags)
		if all == nil {
			all = map[string]any{}
		}
		tags, _ := planned["tags"].(map[string]any)
		maps.Copy(all, tags)
		return all
	case "domain_validation_options":
		// The domain names are known, so that for_each may use them.
		if domain := text(planned, "domain_name"); typ == "aws_acm_certificate" && domain != "" {
			return []any{map[string]any{
				"domain_name": domain, "resource_record_name": unknown{}, "resource_record_type": unknown{}, "resource_record_value": unknown{},
			}}
		}
	}
	return unknown{}
}

// replaces are the arguments whose change makes another resource. The schema does not say which they are; this knows those
// that a deployment relies on: each change of a task definition is a revision of its own, and a secret's version is never
// written anew.
func replaces(typ string, s *tfprotov5.Schema) []string {
	switch typ {
	case "aws_secretsmanager_secret_version":
		return []string{"secret_id", "secret_string", "secret_string_wo_version"}
	case "aws_ecs_task_definition":
	default:
		return nil
	}
	var names []string
	for _, a := range s.Block.Attributes {
		if (a.Optional || a.Required) && !slices.Contains([]string{"tags", "tags_all", "skip_destroy", "track_latest"}, a.Name) {
			names = append(names, a.Name)
		}
	}
	for _, b := range s.Block.BlockTypes {
		names = append(names, b.TypeName)
	}
	return names
}

func same(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && known(a) && known(b) && bytes.Equal(x, y)
}

func (p *provider) ApplyResourceChange(_ context.Context, r *tfprotov5.ApplyResourceChangeRequest) (*tfprotov5.ApplyResourceChangeResponse, error) {
	s := p.resources[r.TypeName]
	state, err := decode(s, r.PlannedState)
	if err != nil {
		return nil, err
	}
	if state == nil {
		return &tfprotov5.ApplyResourceChangeResponse{NewState: r.PlannedState}, nil
	}
	config, err := decode(s, r.Config)
	if err != nil {
		return nil, err
	}
	if err := p.note(r.TypeName, s, config); err != nil {
		return nil, err
	}
	made := p.maker(r.TypeName, config)
	for _, a := range s.Block.Attributes {
		if a.Computed && !known(state[a.Name]) {
			state[a.Name] = made(a.Name, a.Type)
		}
	}
	v, err := encode(s, state)
	return &tfprotov5.ApplyResourceChangeResponse{NewState: v}, err
}

// note appends the write-only arguments of an apply to the file that wants them.
func (p *provider) note(typ string, s *tfprotov5.Schema, config map[string]any) (err error) {
	values := map[string]any{}
	for _, a := range s.Block.Attributes {
		if a.WriteOnly && config[a.Name] != nil {
			values[a.Name] = config[a.Name]
		}
	}
	if p.writes == "" || len(values) == 0 {
		return nil
	}
	if typ == "aws_secretsmanager_secret_version" {
		values["secret_id"] = config["secret_id"]
	}
	line, err := json.Marshal(map[string]any{"type": typ, "values": values})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := os.OpenFile(p.writes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(line, '\n'))
	return err
}

// written is the newest secret that was given to aws_secretsmanager_secret_version for a secret, "" if there is none.
func (p *provider) written(secret string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := os.ReadFile(p.writes)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	found := ""
	for line := range strings.Lines(string(body)) {
		var w struct {
			Values map[string]any `json:"values"`
		}
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			return "", err
		}
		if w.Values["secret_id"] == secret {
			found = text(w.Values, "secret_string_wo")
		}
	}
	return found, nil
}

// OpenEphemeralResource makes passwords up, a new one each time as the real one does, and reads secrets that were written.
func (p *provider) OpenEphemeralResource(_ context.Context, r *tfprotov5.OpenEphemeralResourceRequest) (*tfprotov5.OpenEphemeralResourceResponse, error) {
	s := p.ephemeral[r.TypeName]
	result, err := decode(s, r.Config)
	if err != nil {
		return nil, err
	}
	switch r.TypeName {
	case "aws_secretsmanager_random_password":
		result["random_password"] = rand.Text()
	case "aws_secretsmanager_secret_version":
		if result["secret_string"], err = p.written(text(result, "secret_id")); err != nil {
			return nil, err
		}
	}
	v, err := encode(s, result)
	return &tfprotov5.OpenEphemeralResourceResponse{Result: v}, err
}

// decode is nil for a resource that is not there.
func decode(s *tfprotov5.Schema, v *tfprotov5.DynamicValue) (map[string]any, error) {
	if s == nil {
		return nil, errors.New("a type that types.txt does not name")
	}
	if v == nil {
		return nil, nil
	}
	val, err := v.Unmarshal(s.ValueType())
	if err != nil {
		return nil, err
	}
	p, err := plain(s.ValueType(), val)
	if err != nil {
		return nil, err
	}
	m, _ := p.(map[string]any)
	return m, nil
}

func encode(s *tfprotov5.Schema, m map[string]any) (*tfprotov5.DynamicValue, error) {
	v, err := typed(s.ValueType(), m)
	if err != nil {
		return nil, err
	}
	d, err := tfprotov5.NewDynamicValue(s.ValueType(), v)
	return &d, err
}

func (p *provider) ReadResource(_ context.Context, r *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	return &tfprotov5.ReadResourceResponse{NewState: r.CurrentState}, nil
}

// ImportResourceState believes that whatever is imported is there, and knows its id only.
func (p *provider) ImportResourceState(_ context.Context, r *tfprotov5.ImportResourceStateRequest) (*tfprotov5.ImportResourceStateResponse, error) {
	p.mu.Lock()
	region := p.region
	p.mu.Unlock()
	s := p.resources[r.TypeName]
	state := map[string]any{"id": r.ID}
	if field(s.ValueType(), "region") != nil {
		state["region"] = region
	}
	v, err := encode(s, state)
	return &tfprotov5.ImportResourceStateResponse{ImportedResources: []*tfprotov5.ImportedResource{{TypeName: r.TypeName, State: v}}}, err
}

func (p *provider) UpgradeResourceState(_ context.Context, r *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	t := p.resources[r.TypeName].ValueType()
	v, err := r.RawState.UnmarshalWithOpts(t, tfprotov5.UnmarshalOpts{ValueFromJSONOpts: tftypes.ValueFromJSONOpts{IgnoreUndefinedAttributes: true}})
	if err != nil {
		return nil, err
	}
	d, err := tfprotov5.NewDynamicValue(t, v)
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &d}, err
}

// What follows the protocol asks for and nothing here needs.

func (p *provider) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (p *provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func (p *provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p *provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (p *provider) UpgradeResourceIdentity(context.Context, *tfprotov5.UpgradeResourceIdentityRequest) (*tfprotov5.UpgradeResourceIdentityResponse, error) {
	return &tfprotov5.UpgradeResourceIdentityResponse{}, nil
}

func (p *provider) MoveResourceState(context.Context, *tfprotov5.MoveResourceStateRequest) (*tfprotov5.MoveResourceStateResponse, error) {
	return nil, errors.New("the real provider moves no resource to another type")
}

func (p *provider) GenerateResourceConfig(context.Context, *tfprotov5.GenerateResourceConfigRequest) (*tfprotov5.GenerateResourceConfigResponse, error) {
	return nil, errors.New("the stand-in generates no configuration")
}

func (p *provider) GetFunctions(context.Context, *tfprotov5.GetFunctionsRequest) (*tfprotov5.GetFunctionsResponse, error) {
	return &tfprotov5.GetFunctionsResponse{}, nil
}

func (p *provider) CallFunction(context.Context, *tfprotov5.CallFunctionRequest) (*tfprotov5.CallFunctionResponse, error) {
	return nil, errors.New("the stand-in has no functions")
}

func (p *provider) ValidateEphemeralResourceConfig(context.Context, *tfprotov5.ValidateEphemeralResourceConfigRequest) (*tfprotov5.ValidateEphemeralResourceConfigResponse, error) {
	return &tfprotov5.ValidateEphemeralResourceConfigResponse{}, nil
}

func (p *provider) RenewEphemeralResource(context.Context, *tfprotov5.RenewEphemeralResourceRequest) (*tfprotov5.RenewEphemeralResourceResponse, error) {
	return nil, errors.New("the stand-in has no ephemeral resources")
}

func (p *provider) CloseEphemeralResource(context.Context, *tfprotov5.CloseEphemeralResourceRequest) (*tfprotov5.CloseEphemeralResourceResponse, error) {
	return &tfprotov5.CloseEphemeralResourceResponse{}, nil
}
