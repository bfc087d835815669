package world

import (
	"context"
	"testing"
	"time"
)

// A sleeper of an hour wakes when the clock becomes fast enough; virtual time never jumps back.
func TestTheSpeedChangesWhileOthersSleep(t *testing.T) {
	var c Clock
	c.SetSpeed(1)
	done := make(chan bool)
	go func() { done <- c.Sleep(context.Background(), time.Hour) }()
	before := c.Now()
	c.SetSpeed(3600 * 1000)
	select {
	case ok := <-done:
		if !ok {
			t.Error("the sleeper was cancelled")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the sleeper did not notice the new speed")
	}
	c.SetSpeed(1)
	if now := c.Now(); now < before+time.Hour {
		t.Errorf("the virtual time is %v after an hour from %v", now, before)
	}
}

func TestASleeperEndsWithItsContext(t *testing.T) {
	var c Clock
	c.SetSpeed(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if c.Sleep(ctx, time.Hour) || c.Sleep(ctx, 0) {
		t.Error("a cancelled sleep says that it lasted")
	}
}
