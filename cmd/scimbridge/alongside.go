package main

import "context"

// alongside lets something run beside the rest until ctx ends or the function that is returned is called, which waits
// for it.
func alongside(ctx context.Context, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
