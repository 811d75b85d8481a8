package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAPercentileIsTheSmallestDurationThatCoversThePart(t *testing.T) {
	var durations []time.Duration
	for value := 100; value >= 1; value-- {
		durations = append(durations, time.Duration(value)*time.Microsecond)
	}
	for _, check := range []struct {
		part float64
		want int64
	}{{0, 1}, {0.5, 50}, {0.99, 99}, {1, 100}} {
		if got := percentile(durations, check.part); got != check.want {
			t.Errorf("%v of 1 to 100 is %d, not %d", check.part, got, check.want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("of nothing it is %d", got)
	}
}

func TestANoteHasTheSizeThatIsAskedFor(t *testing.T) {
	for _, size := range []int{0, 200, 512} {
		written, err := payload(17, 1, size)
		if err != nil {
			t.Fatal(err)
		}
		var read note
		if err := json.Unmarshal(written, &read); err != nil {
			t.Fatal(err)
		}
		if read.ID != 17 || read.Key != 1 || read.At == 0 {
			t.Errorf("%s is another note", written)
		}
		if size >= 200 && len(written) != size {
			t.Errorf("%d bytes instead of %d", len(written), size)
		}
	}
}

func TestARoundRunsAtEachGoUntilTheInputEnds(t *testing.T) {
	var out bytes.Buffer
	rounds := 0
	err := newDriver(strings.NewReader("go\ngo\n"), &out).rounds(func() (any, error) {
		rounds++
		return map[string]int{"round": rounds}, nil
	})
	if err != nil || out.String() != "{\"round\":1}\n{\"round\":2}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestAnotherWordThanGoOrAFailedRoundEndsTheProgram(t *testing.T) {
	failed := errors.New("failed")
	round := func() (any, error) { return nil, failed }
	if err := newDriver(strings.NewReader("stop\n"), &bytes.Buffer{}).rounds(round); err == nil {
		t.Error("another word was taken for go")
	}
	if err := newDriver(strings.NewReader("go\n"), &bytes.Buffer{}).rounds(round); !errors.Is(err, failed) {
		t.Errorf("the round's error is lost: %v", err)
	}
}

func TestAModuleIsCalledWithoutItsMajorVersion(t *testing.T) {
	for module, want := range map[string]string{
		amqp091Module:       "amqp091-go",
		watermillAMQPModule: "watermill-amqp",
		pgxModule:           "pgx",
	} {
		if got := name(module); got != want {
			t.Errorf("%s is called %s", module, got)
		}
	}
}

func TestAGateLetsAsManyThroughAsRoundsHaveAndNoneOnceItIsClosed(t *testing.T) {
	gate := newGate()
	gate.open(2)
	if !gate.enter() || !gate.enter() {
		t.Fatal("the round has two")
	}
	third := make(chan bool)
	go func() { third <- gate.enter() }()
	gate.open(1)
	if !<-third {
		t.Fatal("the next round has one")
	}
	gate.close()
	if gate.enter() {
		t.Fatal("it is closed")
	}
}
