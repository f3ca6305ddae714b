// Package introspectiontest is an ECS agent as far as its introspection API goes, for tests: it answers /v1/tasks and
// /v1/metadata in the agent's own shapes. It runs no tasks.
package introspectiontest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Task is a task as the ECS agent writes it (amazon-ecs-agent, ecs-agent/introspection/v1). A nil list is written as
// null where the agent does so.
type Task struct {
	Arn           string
	DesiredStatus string `json:",omitempty"`
	KnownStatus   string
	Family        string
	Version       string
	Containers    []Container
}

// Container is a container of a Task.
type Container struct {
	DockerID   string `json:"DockerId"`
	DockerName string
	Name       string
	Image      string
	ImageID    string
	Ports      []Port    `json:",omitempty"` // never with network mode awsvpc
	Networks   []Network `json:",omitempty"` // only with network mode awsvpc
	// RestartCount is there, from 0 on, where the container definition has a restart policy.
	RestartCount *int `json:",omitempty"`
}

// Port is a published port, which the agent writes once for each of its bindings, over IPv4 and IPv6; HostPort is
// absent before it is known. Of a range with network mode host there is the Protocol alone.
type Port struct {
	ContainerPort uint16 `json:",omitempty"`
	Protocol      string `json:",omitempty"`
	HostPort      uint16 `json:",omitempty"`
}

// Network is a network interface of the task's own.
type Network struct {
	NetworkMode   string   `json:",omitempty"`
	IPv4Addresses []string `json:",omitempty"`
	IPv6Addresses []string `json:",omitempty"`
}

// Instance is the ARN of the host as a container instance of the cluster, as the agent tells it once it has joined.
const Instance = "arn:aws:ecs:eu-central-1:123456789012:container-instance/default/0123456789abcdef0123456789abcdef"

// Server is a running ECS agent. Close ends it.
type Server struct {
	*httptest.Server // URL takes the place of http://localhost:51678

	mu    sync.Mutex
	tasks []Task
	calls int
}

// Start starts a Server on a free port of 127.0.0.1.
func Start(tasks ...Task) *Server {
	s := &Server{tasks: tasks}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/metadata", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{
			"Cluster":              "default",
			"ContainerInstanceArn": Instance,
			"Version":              "Amazon ECS Agent - v1.106.1",
		})
	})
	mux.HandleFunc("GET /v1/tasks", s.answer)
	s.Server = httptest.NewServer(mux)
	return s
}

// Set replaces the tasks.
func (s *Server) Set(tasks ...Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = slices.Clone(tasks)
}

// Calls gives how often tasks were asked for.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// shortID is the longest container ID that is taken for the beginning of one.
const shortID = 12

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	id, arn := r.URL.Query().Get("dockerid"), r.URL.Query().Get("taskarn")
	if id == "" && arn == "" {
		write(w, http.StatusOK, map[string]any{"Tasks": append([]Task{}, s.tasks...)})
		return
	}
	var found []Task
	for _, t := range s.tasks {
		has := func(c Container) bool {
			return c.DockerID == id || len(id) <= shortID && strings.HasPrefix(c.DockerID, id)
		}
		if arn != "" && t.Arn == arn || id != "" && slices.ContainsFunc(t.Containers, has) {
			found = append(found, t)
		}
	}
	switch {
	case id != "" && arn != "", len(found) > 1:
		write(w, http.StatusBadRequest, Task{})
	case len(found) == 0:
		write(w, http.StatusNotFound, Task{})
	default:
		write(w, http.StatusOK, found[0])
	}
}

func write(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // the client may be gone
}
