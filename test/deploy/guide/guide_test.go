package guide_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/guide"
)

func TestBlocks(t *testing.T) {
	t.Parallel()
	const page = "1. One:\n\n   ```sh test\n   if true; then\n     echo one\n   fi\n   ```\n\n```bash\necho two\n```\n\n```yaml\nthree: 3\n```\n"
	want := []guide.Block{{"if true; then\n  echo one\nfi\n", true}, {"echo two\n", false}}
	if diff := cmp.Diff(want, guide.Blocks(page)); diff != "" {
		t.Error(diff)
	}
	if got := guide.Script(page); got != want[0].Text {
		t.Errorf("to run: %q", got)
	}
	if got := guide.Complaints(page); len(got) > 0 {
		t.Errorf("complaints: %q", got)
	}
}

func TestComplaints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ page, want string }{
		"none":         {"Do it.", "no blocks of commands"},
		"no bash":      {"```sh\nif true\n```\n", "syntax error"},
		"to be filled": {"```sh\ncp <path>/scimsession ./\n```\n", "<path> has to be replaced"},
	} {
		if got := guide.Complaints(c.page); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
