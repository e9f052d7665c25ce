package bridge

import (
	"errors"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
)

// The translation of the account's errors into SCIM's (RFC 7644 §3.12). What is not listed stays as it is and
// becomes a 500 that says nothing.

func userError(id string, err error) error {
	var taken *account.TakenError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrNotFound):
		return scim.Errorf(404, "", "There is no user with the id %q.", short(id))
	case errors.As(err, &taken):
		return scim.Errorf(409, scim.Uniqueness, "The userName is taken by the user with the id %s. Look it up with a filter on userName and update it.", taken.ID)
	}
	return commonError(err)
}

func groupError(id string, err error) error {
	var taken *account.TakenError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrNotFound):
		return scim.Errorf(404, "", "There is no group with the id %q.", short(id))
	case errors.As(err, &taken) && taken.Several:
		return scim.Errorf(409, scim.Uniqueness, "Several groups of the account have this displayName. An administrator of the account must rename all but one.")
	case errors.As(err, &taken) && taken.Managed:
		return scim.Errorf(409, scim.Uniqueness, "The displayName is taken by the group with the id %s. Look it up with a filter on displayName and update it.", taken.ID)
	case errors.As(err, &taken):
		return scim.Errorf(409, scim.Uniqueness, "The account has a group with this displayName that provisioning does not manage. An administrator of the account can hand it over (scimbridge account adopt %s); until then it stays untouched.", taken.ID)
	}
	return commonError(err)
}

func commonError(err error) error {
	var (
		protected *account.ProtectedError
		invalid   *account.InvalidError
		unknown   *account.UnknownMembersError
		held      *account.HeldError
	)
	switch {
	case errors.As(err, &protected):
		return scim.Errorf(403, "", "The account does not let provisioning do this: %s.", strings.TrimSuffix(protected.Reason, "."))
	case errors.As(err, &held):
		e := scim.Errorf(503, "", "The account's guard holds this change back: %s. Nothing was changed. An administrator of the account can approve it (scimbridge account guard approve); then the same request succeeds.", held.Reason)
		e.Retry = held.Retry
		return e
	case errors.Is(err, account.ErrNotManaged):
		return scim.Errorf(403, "", "Provisioning does not manage this resource. An administrator of the account can hand it over.")
	case errors.Is(err, account.ErrPendingName):
		return scim.Errorf(409, "", "userName cannot be changed now: the person has accepted the invitation and is about to be confirmed. Try again after that.")
	case errors.As(err, &invalid):
		return scim.BadRequest(scim.InvalidValue, "%s: %s.", invalid.Field, strings.TrimSuffix(invalid.Reason, "."))
	case errors.As(err, &unknown):
		return scim.BadRequest(scim.InvalidValue, "members: no user has the id %s.", short(strings.Join(unknown.IDs, ", ")))
	case errors.Is(err, account.ErrUnavailable):
		return scim.Errorf(503, "", "The account cannot be reached at the moment. A change may have been made all the same; try again.")
	}
	return err
}

func errSelf() error {
	return scim.Errorf(403, "", "The account does not let provisioning do this: the resource is the integration itself.")
}

func errBusy() error {
	return scim.Errorf(503, "", "The resource is being changed by many requests at once. Nothing was changed; try again.")
}

func errVersion() error {
	return scim.Errorf(412, "", "The resource has changed since the version named by If-Match. Read it again and repeat the change.")
}

// quoted is how much of a client's own text an error repeats, in bytes.
const quoted = 200

func short(s string) string {
	if len(s) > quoted {
		return strings.ToValidUTF8(s[:quoted], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
