package outcry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	optionsv1 "outcry.example/client/gen/outcry/options/v1"
	usersv1 "outcry.example/client/gen/outcry/users/v1"
)

const (
	// refreshAhead is how long before its end a token is replaced: longer than a call and the
	// clocks' difference together.
	refreshAhead = time.Minute
	// refreshPart of its life (one in so many) is what a token has left at most when it is replaced:
	// one that lives under a minute is used all the same.
	refreshPart = 3
)

// ErrSignedOut means that nobody has signed in.
var ErrSignedOut = errors.New("sign in first")

// session holds the tokens of the user who signed in.
type session struct {
	// turn has calls wait for the one that refreshes: a refresh token works once.
	turn            sync.Mutex
	email, password string
	tokens          *usersv1.Tokens
	// renewAt is when the access token is replaced.
	renewAt time.Time
}

// take keeps new tokens. It is for whoever has the turn.
func (s *session) take(tokens *usersv1.Tokens) {
	s.tokens, s.renewAt = tokens, renewalTime(tokens, time.Now())
}

// SignIn signs in and keeps the session alive from then on.
func (c *Client) SignIn(ctx context.Context, email, password string) (*usersv1.User, error) {
	c.session.turn.Lock()
	defer c.session.turn.Unlock()
	return c.login(ctx, email, password)
}

// login is for whoever has the turn.
func (c *Client) login(ctx context.Context, email, password string) (*usersv1.User, error) {
	answer, err := c.Users().Login(ctx, &usersv1.LoginRequest{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	c.session.email, c.session.password = email, password
	c.session.take(answer.GetTokens())
	return answer.GetUser(), nil
}

// accessToken is one that lives long enough for a call.
func (c *Client) accessToken(ctx context.Context) (string, error) {
	s := &c.session
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.tokens == nil {
		return "", ErrSignedOut
	}
	if time.Now().Before(s.renewAt) {
		return s.tokens.GetAccessToken(), nil
	}
	// A stream's deadline is far away, and others wait for their turn.
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.Users().Refresh(ctx, &usersv1.RefreshRequest{RefreshToken: s.tokens.GetRefreshToken()})
	if err == nil {
		s.take(answer.GetTokens())
		return s.tokens.GetAccessToken(), nil
	}
	if ctx.Err() != nil {
		return "", err
	}
	// The token may have been used by an attempt whose answer was lost.
	if _, err := c.login(ctx, s.email, s.password); err != nil {
		return "", fmt.Errorf("signing in again: %w", err)
	}
	return s.tokens.GetAccessToken(), nil
}

// expire has the next call refresh, whatever the clock says.
func (c *Client) expire() {
	c.session.turn.Lock()
	defer c.session.turn.Unlock()
	c.session.renewAt = time.Time{}
}

// renewalTime is when an access token that was received now is to be replaced: at once if its end is
// not known.
func renewalTime(tokens *usersv1.Tokens, now time.Time) time.Time {
	if !tokens.GetAccessExpiresAt().IsValid() {
		return time.Time{}
	}
	end := tokens.GetAccessExpiresAt().AsTime()
	return end.Add(-min(refreshAhead, end.Sub(now)/refreshPart))
}

// signed adds the token to a call that needs one.
func (c *Client) signed(ctx context.Context, method protoreflect.MethodDescriptor) (context.Context, error) {
	access, _ := proto.GetExtension(method.Options(), optionsv1.E_Access).(*optionsv1.Access)
	if access.GetPublic() {
		return ctx, nil
	}
	token, err := c.accessToken(ctx)
	if err != nil {
		return nil, err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}

// methodOf finds `/package.Service/Method` in the contract.
func methodOf(path string) (protoreflect.MethodDescriptor, error) {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s is not in the contract: %w", path, err)
	}
	method, is := found.(protoreflect.MethodDescriptor)
	if !is {
		return nil, fmt.Errorf("%s is not a method", path)
	}
	return method, nil
}
