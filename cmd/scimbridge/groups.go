package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

type groupsVerb struct {
	where
	Group string `arg:"" optional:"" help:"Id or name of one group, to show it alone."`
}

// Run lists groups, or shows one.
func (v *groupsVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		keys, err := rekeyings(ctx, a)
		if err != nil {
			return err
		}
		if v.Group != "" {
			g, err := groupNamed(ctx, a, v.Group)
			if err != nil {
				return err
			}
			return v.showGroup(e, &g, keys)
		}
		return v.list(ctx, e, a, keys)
	})
}

func (v *groupsVerb) list(ctx context.Context, e *environment, a accountapi.Administrator, keys map[string]account.Rekeying) error {
	t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	if !v.JSON {
		fmt.Fprintln(t, "ID\tNAME\tMEMBERS\tPROVISIONING\tNEW KEY")
	}
	for after := ""; ; {
		page, err := a.AllGroups(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			g := &page[i]
			if v.JSON {
				if err := printJSON(e, groupView(g, keys)); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", g.ID, printable(g.Name), g.Members, seen(g), or(newKey(g, keys), "-"))
		}
		if len(page) < pageSize {
			return t.Flush()
		}
		after = page[len(page)-1].ID
	}
}

// rekeyings are the groups whose newest key has not reached everybody, by id.
func rekeyings(ctx context.Context, a accountapi.Administrator) (map[string]account.Rekeying, error) {
	found := map[string]account.Rekeying{}
	for after := ""; ; {
		page, err := a.Rekeyings(ctx, after, pageSize)
		if err != nil {
			return nil, err
		}
		for _, k := range page {
			after = k.Group
			found[k.Group] = k
		}
		if len(page) < pageSize {
			return found, nil
		}
	}
}

// newKey says how far a group's new key has come; empty where it is not getting one.
func newKey(g *account.Group, keys map[string]account.Rekeying) string {
	k, underWay := keys[g.ID]
	switch {
	case g.Rotate:
		return "waits for the bridge to make it"
	case underWay:
		return thousands(k.Have) + " of " + thousands(k.Of)
	}
	return ""
}

// seen says what a group is to provisioning.
func seen(g *account.Group) string {
	switch {
	case g.Privileged:
		return "never"
	case !g.Managed:
		return "not managed"
	case g.Mode == account.Additive:
		return "adopted"
	}
	return "managed"
}

// rekeyingView is how many of the members who hold a key of the group hold the newest.
type rekeyingView struct {
	Have int `json:"have"`
	Of   int `json:"of"`
}

func groupView(g *account.Group, keys map[string]account.Rekeying) any {
	view := struct {
		ID           string        `json:"id"`
		Name         string        `json:"name"`
		ExternalID   string        `json:"externalId,omitempty"`
		Provisioning string        `json:"provisioning"`
		Members      int           `json:"members"`
		Key          int           `json:"key,omitempty"` // serial
		NewKey       *rekeyingView `json:"newKey,omitempty"`
		NewKeyWanted bool          `json:"newKeyWanted,omitempty"`
	}{ID: g.ID, Name: g.Name, ExternalID: g.ExternalID, Provisioning: seen(g), Members: g.Members, Key: g.Serial, NewKeyWanted: g.Rotate}
	if k, underWay := keys[g.ID]; underWay {
		view.NewKey = &rekeyingView{k.Have, k.Of}
	}
	return view
}

func (v *groupsVerb) showGroup(e *environment, g *account.Group, keys map[string]account.Rekeying) error {
	if v.JSON {
		return printJSON(e, groupView(g, keys))
	}
	key := "none"
	if g.Serial > 0 {
		key = fmt.Sprint(g.Serial)
	}
	t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", g.ID},
		{"name", g.Name},
		{"external id", g.ExternalID},
		{"provisioning", seen(g)},
		{"members", thousands(g.Members)},
		{"key", key},
		{"new key", newKey(g, keys)},
		{"created", g.Created.Format(time.RFC3339)},
		{"modified", g.Modified.Format(time.RFC3339)},
	} {
		if line[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", line[0], printable(line[1]))
		}
	}
	return t.Flush()
}
