package outcry

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"

	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	"outcry.example/client/internal/pause"
)

const (
	// streamAge is the deadline of one stream; then it is opened again. The platform ends most
	// after an hour anyway, and when the token ends.
	streamAge = time.Hour
	// reopensMax is how often in a row a stream may break at once, with nothing in it.
	reopensMax = 10
	// streamSteady is how long a stream without a message lasts that was not broken from the start.
	streamSteady = time.Minute
)

// streamPauses: a server that stops is soon replaced.
var streamPauses = pause.Steps{First: 200 * time.Millisecond, Longest: 10 * time.Second}

// Update is one change of one order.
type Update = ordersv1.StreamOrderUpdatesResponse

// WatchOrders gives every change of the caller's orders after a sequence (0: the oldest that is
// kept), without gaps or repeats over lost streams, until the context ends. An empty symbol means
// all. The last pair may be an error.
func (c *Client) WatchOrders(ctx context.Context, after uint64, symbol string) iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) {
		for failures := 0; ; {
			began := time.Now()
			last, stopped, err := c.follow(ctx, after, symbol, yield)
			switch {
			case stopped:
				return
			case ctx.Err() != nil:
				yield(nil, ctx.Err())
				return
			case last > after, time.Since(began) > streamSteady:
				failures = 0
			}
			after = last
			failures++
			wait, reopen := reopenAfter(err, failures)
			if !reopen {
				yield(nil, err)
				return
			}
			if asError(err).Code == codes.Unauthenticated {
				c.expire()
			}
			if err := pause.Wait(ctx, wait); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// follow reads one stream. It answers with the last sequence that was taken.
func (c *Client) follow(ctx context.Context, after uint64, symbol string, yield func(*Update, error) bool) (last uint64, stopped bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamAge)
	defer cancel()
	stream, err := c.Orders().StreamOrderUpdates(ctx, &ordersv1.StreamOrderUpdatesRequest{AfterSequence: after, Symbol: symbol})
	if err != nil {
		return after, false, asError(err)
	}
	for {
		update, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return after, false, &Error{Code: codes.Unavailable, Message: "the stream has ended"}
		}
		if err != nil {
			return after, false, asError(err)
		}
		if update.GetSequence() <= after {
			continue
		}
		after = update.GetSequence()
		if !yield(update, nil) {
			return after, true, nil
		}
	}
}

// reopenAfter tells whether a stream that broke is opened again: after what passes, and after the
// end of the token or of the stream's age.
func reopenAfter(err error, failures int) (time.Duration, bool) {
	if failures > reopensMax {
		return 0, false
	}
	failed := asError(err)
	switch failed.Code {
	case codes.Unavailable, codes.ResourceExhausted, codes.Unauthenticated, codes.DeadlineExceeded, codes.Aborted:
		return max(streamPauses.Before(failures), failed.RetryAfter), true
	default:
		// Whatever broke it, the platform says where to go on.
		return streamPauses.Before(failures), failed.Reason == "STREAM_BROKEN"
	}
}

// asError is a typed error, also of a failure that has been read already.
func asError(err error) *Error {
	var failed *Error
	if errors.As(err, &failed) {
		return failed
	}
	return failure(err)
}
