package run

import (
	"context"
	"errors"
	"time"
)

// Service keeps one task behind a balancer, and puts another in its place.
type Service struct {
	*Cluster
	*Balancer
	Task *Task // nil: none yet
}

// Deploy starts a task of a definition and, once the balancer finds it healthy, ends the one before: with ECS' own
// deployment settings (at least 100 percent healthy, at most 200), so that both run for a moment. It returns how the
// containers of the one before ended. A task that does not become healthy is stopped, and the one before stays: that is
// what the circuit breaker does.
func (s *Service) Deploy(ctx context.Context, d Definition) ([]Stopped, error) {
	next, err := s.Start(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := s.Healthy(ctx, next); err != nil {
		return nil, errors.Join(err, next.Remove())
	}
	s.Say("%6.2f s  the balancer finds it healthy: %s answers as %s says; %.2f s after the container op_scim_bridge has started", time.Since(next.Began).Seconds(),
		s.group.Path, s.group.Matcher, time.Since(next.Started["op_scim_bridge"]).Seconds())
	before := s.Task
	s.Register(next)
	s.Task = next
	if before == nil {
		return nil, nil
	}
	s.Deregister(before)
	s.Say("         requests go to task %s alone", next.ID)
	return before.Stop(ctx)
}
