// Command peer does the jobs that Outcry is measured beside, with RabbitMQ's own client for Go and
// with Watermill. What it is told and what it answers: the README of the folder above.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage:
  peer amqp091-publish|watermill-publish --amqp URL --exchange X --routing-key K --count N --body-bytes B --in-flight F
  peer amqp091-consume|watermill-consume --amqp URL --queue Q --postgres URL --count N --prefetch P
  peer watermill-outbox-relay --amqp URL --postgres URL --exchange X [--poll-interval 1s]
  peer watermill-outbox-write --postgres URL --count N --rate R --body-bytes B --keys K`

var jobs = map[string]func(context.Context, options, *driver) error{
	"amqp091-publish":        amqp091Publish,
	"amqp091-consume":        amqp091Consume,
	"watermill-publish":      watermillPublish,
	"watermill-consume":      watermillConsume,
	"watermill-outbox-relay": watermillOutboxRelay,
	"watermill-outbox-write": watermillOutboxWrite,
}

// options are what a job may be told; each job reads those it needs.
type options struct {
	amqp, postgres              string
	exchange, routingKey, queue string
	count, bodyBytes            int
	inFlight, prefetch          int
	// rate is in commits a second; 0 is as fast as it goes.
	rate         float64
	keys         int
	pollInterval time.Duration
}

func main() {
	// Standard output belongs to the driver; libraries report what goes wrong on standard error.
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	job, known := jobs[arguments[0]]
	if !known {
		return fmt.Errorf("there is no job %q\n%s", arguments[0], usage)
	}
	told, err := parse(arguments[0], arguments[1:])
	if err != nil {
		return err
	}
	return job(ctx, told, newDriver(os.Stdin, os.Stdout))
}

func parse(job string, arguments []string) (options, error) {
	var told options
	flags := flag.NewFlagSet(job, flag.ContinueOnError)
	flags.StringVar(&told.amqp, "amqp", "", "URL of the broker")
	flags.StringVar(&told.postgres, "postgres", "", "URL of the database")
	flags.StringVar(&told.exchange, "exchange", "", "exchange to publish to")
	flags.StringVar(&told.routingKey, "routing-key", "", "routing key to publish with")
	flags.StringVar(&told.queue, "queue", "", "queue to consume")
	flags.IntVar(&told.count, "count", 1, "messages a round")
	flags.IntVar(&told.bodyBytes, "body-bytes", 0, "size of a message")
	flags.IntVar(&told.inFlight, "in-flight", 1, "unconfirmed messages at most")
	flags.IntVar(&told.prefetch, "prefetch", 1, "unacknowledged messages at most")
	flags.Float64Var(&told.rate, "rate", 0, "commits a second, 0 for as fast as it goes")
	flags.IntVar(&told.keys, "keys", 1, "keys the messages are spread over")
	flags.DurationVar(&told.pollInterval, "poll-interval", pollIntervalDefault, "how long the relay waits when it found nothing")
	if err := flags.Parse(arguments); err != nil {
		return told, err
	}
	if flags.NArg() > 0 {
		return told, fmt.Errorf("unexpected %q\n%s", flags.Arg(0), usage)
	}
	if told.count < 1 || told.inFlight < 1 || told.prefetch < 1 || told.keys < 1 {
		return told, errors.New("--count, --in-flight, --prefetch and --keys must be at least 1")
	}
	if told.bodyBytes < 0 || told.rate < 0 || told.pollInterval <= 0 {
		return told, errors.New("--body-bytes and --rate must not be negative, --poll-interval must be positive")
	}
	return told, nil
}
