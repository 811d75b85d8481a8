package events

import (
	"context"
	"testing"
)

func TestTheOldestIDIsForgottenWhenThereAreTooMany(t *testing.T) {
	ctx := context.Background()
	seen := NewRecent(2)
	for _, id := range []string{"a", "b", "b", "c"} {
		if err := seen.Add(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	for id, expected := range map[string]bool{"a": false, "b": true, "c": true} {
		if known, err := seen.Has(ctx, id); err != nil || known != expected {
			t.Errorf("%s: %v, %v", id, known, err)
		}
	}
	if len(seen.ids) != 2 {
		t.Errorf("%d ids are kept", len(seen.ids))
	}
}
