package ecs

import (
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

// resource takes the path out of an ARN of a kind, such as main/0123 out of arn:aws:ecs:REGION:ACCOUNT:task/main/0123.
// What is no ARN is its own path.
func (h *Handler) resource(kind, id string) (string, *gate.Failure) {
	if !strings.HasPrefix(id, "arn:") {
		return id, nil
	}
	parts := strings.SplitN(id, ":", 6)
	if len(parts) < 6 || parts[2] != "ecs" {
		return "", invalid("Invalid identifier: Unexpected number of separators")
	}
	path, ok := strings.CutPrefix(parts[5], kind+"/")
	switch {
	case !ok:
		return "", invalid("Invalid identifier: Identifier is not for a %s", kind)
	case parts[3] != h.store.Region:
		return "", invalid(
			"Invalid identifier: Identifier is for %s. Your accessToken is for %s",
			parts[3],
			h.store.Region,
		)
	case parts[4] != h.store.Account:
		return "", invalid(
			"Invalid identifier: Identifier is for %s. Your accessToken is for %s",
			parts[4],
			h.store.Account,
		)
	}
	return path, nil
}

// clusterName of a request; none means default.
func (h *Handler) clusterName(id string) (string, *gate.Failure) {
	if id == "" {
		return "default", nil
	}
	name, f := h.resource("cluster", id)
	if f == nil && strings.Contains(name, "/") {
		f = invalid("Invalid identifier: Unexpected number of separators")
	}
	return name, f
}

// cluster finds the cluster of a request. A deleted one is INACTIVE for a while: what it had can be described, no more.
// AWS does not say what a listing answers then; it is refused as CreateService is.
func (h *Handler) cluster(v *account.View, id string, describing bool) (account.Cluster, *gate.Failure) {
	name, f := h.clusterName(id)
	if f != nil {
		return account.Cluster{}, f
	}
	c, ok := v.Clusters[name]
	switch {
	case !ok:
		return c, gate.Known("ClusterNotFoundException")
	case c.Status == "INACTIVE" && !describing:
		return c, gate.Refuse(400, "ClusterNotFoundException", "The referenced cluster was inactive.")
	}
	return c, nil
}

// member takes the ID of a task or a container instance out of an ID or an ARN, short or long.
func (h *Handler) member(kind, cluster, id string) (string, *gate.Failure) {
	path, f := h.resource(kind, id)
	if f != nil {
		return "", f
	}
	parts := strings.Split(path, "/")
	bare := parts[len(parts)-1]
	switch {
	case len(parts) > 2 || path != id && len(parts) != 2 || path == id && len(parts) != 1:
		return "", invalid("Invalid identifier: Unexpected number of separators")
	case len(parts) == 2 && parts[0] != cluster:
		return "", invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", parts[0], cluster)
	case len(bare) != 32 && len(bare) != 36 && kind == "task":
		return "", invalid("taskId length should be one of [32,36]")
	case len(bare) != 32 && len(bare) != 36:
		return "", invalid("Container instance ID length should be one of [32,36]")
	}
	return bare, nil
}

// members does so for a list, which must have 1 to 100 entries.
func (h *Handler) members(kind, cluster string, ids []string) ([]string, *gate.Failure) {
	title, items := "Tasks", "taskIds"
	if kind == "container-instance" {
		title, items = "Container instances", "instanceIds"
	}
	if len(ids) == 0 {
		return nil, invalid("%s cannot be empty.", title)
	}
	if len(ids) > 100 {
		return nil, invalid("%s can have at most 100 items.", items)
	}
	bare := make([]string, 0, len(ids))
	for _, id := range ids {
		b, f := h.member(kind, cluster, id)
		if f != nil {
			return nil, f
		}
		if !slices.Contains(bare, b) {
			bare = append(bare, b)
		}
	}
	return bare, nil
}

// listing returns one page of ARNs.
func (h *Handler) listing(arns []string, name, from string, most *int) ([]string, string, *gate.Failure) {
	limit := 100
	if most != nil {
		limit = *most
	}
	if limit < 1 || limit > 100 {
		return nil, "", invalid("Invalid maxResults: %d. It must be between 1 and 100.", limit)
	}
	h.mu.Lock()
	if h.page > 0 {
		limit = min(limit, h.page)
	}
	h.mu.Unlock()
	page, next, ok := account.Page(arns, name, from, limit)
	if !ok {
		return nil, "", invalid("Invalid token.")
	}
	return page, next, nil
}
