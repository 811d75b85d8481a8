// Command outcry-client tries the platform out, and is what the tests that compare the clients of
// several languages run. It prints a line of JSON for each thing it has seen.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage:
  outcry-client trade --symbol S [--quantity N] [--limit PRICE]
  outcry-client consume --queue Q --topic PATTERN… --count N [--within SECONDS]
  outcry-client parity FILE
  outcry-client golden FOLDER
  outcry-client cloudevents --queue Q --topic PATTERN --count N [--within SECONDS]
OUTCRY_ADDRESS, OUTCRY_EMAIL, OUTCRY_PASSWORD and OUTCRY_AMQP name the platform, the user and the broker.`

const (
	// withinDefault is how many seconds a command waits for its messages.
	withinDefault = 60
	// countMissing: how many are wanted must be said, for 0 is a number, too.
	countMissing = -1
)

var commands = map[string]func(context.Context, []string) error{
	"trade":       trade,
	"consume":     consume,
	"parity":      parity,
	"golden":      golden,
	"cloudevents": cloudEvents,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "outcry-client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	command, known := commands[arguments[0]]
	if !known {
		return fmt.Errorf("there is no command %q\n%s", arguments[0], usage)
	}
	return command(ctx, arguments[1:])
}

// show prints one line.
func show(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// setting is a value of the environment that must be there.
func setting(name string) (string, error) {
	if value := os.Getenv(name); value != "" {
		return value, nil
	}
	return "", fmt.Errorf("%s is not set", name)
}

// file is the one argument of a command.
func file(arguments []string) (string, error) {
	if len(arguments) != 1 {
		return "", errors.New(usage)
	}
	return arguments[0], nil
}

// patterns is a flag that may come several times, or once with several values.
type patterns []string

func (p *patterns) String() string { return strings.Join(*p, " ") }

func (p *patterns) Set(value string) error {
	*p = append(*p, value)
	return nil
}

// reading are the flags of the commands that read a queue.
type reading struct {
	queue  string
	topics patterns
	count  int
	within int
}

func readingFlags(name string, arguments []string) (reading, error) {
	var r reading
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&r.queue, "queue", "", "the queue to read")
	flags.Var(&r.topics, "topic", "a pattern it is bound by")
	flags.IntVar(&r.count, "count", countMissing, "how many messages to read; 0 only makes the queues")
	flags.IntVar(&r.within, "within", withinDefault, "in how many seconds")
	for {
		if err := flags.Parse(arguments); err != nil {
			return r, err
		}
		if flags.NArg() == 0 {
			break
		}
		// More patterns after `--topic one`; then flags go on.
		if err := r.topics.Set(flags.Arg(0)); err != nil {
			return r, err
		}
		arguments = flags.Args()[1:]
	}
	if r.queue == "" || len(r.topics) == 0 || r.count < 0 || r.within < 1 {
		return r, errors.New(usage)
	}
	return r, nil
}
