package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const pgxModule = "github.com/jackc/pgx/v5"

// connectionsMax is how many connections to the database a job has.
const connectionsMax = 8

// openPool connects to the database with all the connections that a job may use.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading --postgres: %w", err)
	}
	config.MaxConns = connectionsMax
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return pool, nil
}

// inbox lets a message have its effect once, however often it is delivered.
type inbox struct {
	pool *pgxpool.Pool
}

// handle tells whether the message was new.
func (i inbox) handle(ctx context.Context, messageID string, body []byte) (isNew bool, err error) {
	err = pgx.BeginFunc(ctx, i.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "INSERT INTO peer_inbox (message_id) VALUES ($1) ON CONFLICT DO NOTHING", messageID)
		if err != nil {
			return err
		}
		isNew = tag.RowsAffected() == 1
		if !isNew {
			return nil
		}
		_, err = tx.Exec(ctx, "INSERT INTO peer_effect (message_id, body) VALUES ($1, $2)", messageID, body)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("handling message %q: %w", messageID, err)
	}
	return isNew, nil
}

// consumed is the result of a round of consuming.
type consumed struct {
	Count      int     `json:"count"`
	New        int     `json:"new"`
	Duplicates int     `json:"duplicates"`
	Seconds    float64 `json:"seconds"`
}

func (c *consumed) add(isNew bool) {
	if isNew {
		c.New++
	} else {
		c.Duplicates++
	}
}

// done tells whether all messages of the round were handled.
func (c *consumed) done() bool {
	return c.New+c.Duplicates >= c.Count
}
