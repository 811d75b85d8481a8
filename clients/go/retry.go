package outcry

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"outcry.example/client/internal/pause"
)

const (
	// callTimeout is the deadline of a call that brought none, repetitions included: longer than
	// the platform works on any call.
	callTimeout = 30 * time.Second
	// attemptsMax is how often a call is sent at most: what fails five times fails for a reason.
	attemptsMax = 5
)

// callPauses let a process that starts again answer before the last attempt.
var callPauses = pause.Steps{First: 500 * time.Millisecond, Longest: 5 * time.Second}

// requestIDs is a request that the platform recognises when it comes again.
type requestIDs interface{ GetRequestId() string }

// repeatable tells whether a call may be sent again though the first may have been carried out:
// it changes nothing, or the contract says it is idempotent and its request id is in it.
func repeatable(level descriptorpb.MethodOptions_IdempotencyLevel, request any) bool {
	switch level {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return true
	case descriptorpb.MethodOptions_IDEMPOTENT:
		identified, has := request.(requestIDs)
		return !has || identified.GetRequestId() != ""
	default:
		return false
	}
}

// again tells whether a failed attempt is repeated, and after what wait. `left` is the time until
// the deadline: a wait beyond it would only delay the bad news.
func again(failed *Error, attempts int, left time.Duration) (time.Duration, bool) {
	if attempts >= attemptsMax {
		return 0, false
	}
	if failed.Code != codes.Unavailable && failed.Code != codes.ResourceExhausted {
		return 0, false
	}
	wait := max(callPauses.Before(attempts), failed.RetryAfter)
	return wait, wait < left
}

// idempotency is what the contract says about a method.
func idempotency(method protoreflect.MethodDescriptor) descriptorpb.MethodOptions_IdempotencyLevel {
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel()
}

// unary gives every call a deadline, the token, repetitions and a typed error.
func (c *Client) unary(
	ctx context.Context, path string, request, reply any,
	connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	method, err := methodOf(path)
	if err != nil {
		return err
	}
	for attempts := 1; ; attempts++ {
		signed, err := c.signed(ctx, method)
		if err != nil {
			return err
		}
		err = invoke(signed, path, request, reply, connection, options...)
		if err == nil {
			return nil
		}
		failed := failure(err)
		deadline, _ := ctx.Deadline()
		wait, repeat := again(failed, attempts, time.Until(deadline))
		if !repeat || !repeatable(idempotency(method), request) {
			return failed
		}
		if pause.Wait(ctx, wait) != nil {
			return failed
		}
		if message, is := reply.(proto.Message); is {
			proto.Reset(message)
		}
	}
}

// stream gives every stream the token. Streams are opened again by those who know where they
// were, see [Client.WatchOrders].
func (c *Client) stream(
	ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, path string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	method, err := methodOf(path)
	if err != nil {
		return nil, err
	}
	signed, err := c.signed(ctx, method)
	if err != nil {
		return nil, err
	}
	return open(signed, description, connection, path, options...)
}
