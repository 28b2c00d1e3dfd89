package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// podRuntime are the pods of a containerRuntime. A container does what echo does: it
// writes its command's arguments to its log, in the form of CRI, and then it waits.
type podRuntime struct {
	mu         *sync.Mutex
	tree       string // the node's root, below which logs are
	sandboxes  map[string]*cri.PodSandboxStatus
	containers map[string]*podContainer
	made       *int
}

type podContainer struct {
	cri.ContainerStatus
	sandbox string
	says    string
}

func newPodRuntime(tree string) podRuntime {
	return podRuntime{mu: &sync.Mutex{}, tree: tree, sandboxes: map[string]*cri.PodSandboxStatus{},
		containers: map[string]*podContainer{}, made: new(int)}
}

// id is one that nothing had before.
func (p podRuntime) id() string {
	*p.made++
	return fmt.Sprintf("%064x", *p.made)
}

func (r *containerRuntime) RunPodSandbox(_ context.Context, q *cri.RunPodSandboxRequest) (*cri.RunPodSandboxResponse,
	error) {
	p := r.pods
	p.mu.Lock()
	defer p.mu.Unlock()
	id, c := p.id(), q.GetConfig()
	p.sandboxes[id] = &cri.PodSandboxStatus{Id: id, Metadata: c.GetMetadata(), Labels: c.GetLabels(),
		Annotations: c.GetAnnotations(), State: cri.PodSandboxState_SANDBOX_READY, CreatedAt: time.Now().UnixNano(),
		Linux: &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{
			Options: c.GetLinux().GetSecurityContext().GetNamespaceOptions()}}}
	return &cri.RunPodSandboxResponse{PodSandboxId: id}, nil
}

func (r *containerRuntime) StopPodSandbox(_ context.Context, q *cri.StopPodSandboxRequest) (
	*cri.StopPodSandboxResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	if s := r.pods.sandboxes[q.GetPodSandboxId()]; s != nil {
		s.State = cri.PodSandboxState_SANDBOX_NOTREADY
	}
	return &cri.StopPodSandboxResponse{}, nil
}

func (r *containerRuntime) RemovePodSandbox(_ context.Context, q *cri.RemovePodSandboxRequest) (
	*cri.RemovePodSandboxResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	delete(r.pods.sandboxes, q.GetPodSandboxId())
	return &cri.RemovePodSandboxResponse{}, nil
}

func (r *containerRuntime) PodSandboxStatus(_ context.Context, q *cri.PodSandboxStatusRequest) (
	*cri.PodSandboxStatusResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	s := r.pods.sandboxes[q.GetPodSandboxId()]
	if s == nil {
		return nil, grpcstatus.Errorf(codes.NotFound, "no sandbox %q", q.GetPodSandboxId())
	}
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{Id: s.Id, Metadata: s.Metadata, State: s.State,
		CreatedAt: s.CreatedAt, Linux: s.Linux, Labels: s.Labels, Annotations: s.Annotations}}, nil
}

func (r *containerRuntime) ListPodSandbox(_ context.Context, q *cri.ListPodSandboxRequest) (
	*cri.ListPodSandboxResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	f, answer := q.GetFilter(), &cri.ListPodSandboxResponse{}
	for _, id := range slices.Sorted(maps.Keys(r.pods.sandboxes)) {
		s := r.pods.sandboxes[id]
		if f.GetId() != "" && f.GetId() != id || f.GetState() != nil && f.GetState().GetState() != s.State ||
			!hasLabels(s.Labels, f.GetLabelSelector()) {
			continue
		}
		answer.Items = append(answer.Items, &cri.PodSandbox{Id: id, Metadata: s.Metadata, State: s.State,
			CreatedAt: s.CreatedAt, Labels: s.Labels, Annotations: s.Annotations})
	}
	return answer, nil
}

func hasLabels(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

func (r *containerRuntime) CreateContainer(_ context.Context, q *cri.CreateContainerRequest) (
	*cri.CreateContainerResponse, error) {
	p := r.pods
	p.mu.Lock()
	defer p.mu.Unlock()
	id, c := p.id(), q.GetConfig()
	made := &podContainer{sandbox: q.GetPodSandboxId(), says: strings.Join(c.GetArgs(), " ")}
	made.Id, made.Metadata, made.Image, made.ImageRef = id, c.GetMetadata(), c.GetImage(), c.GetImage().GetImage()
	made.Labels, made.Annotations, made.CreatedAt = c.GetLabels(), c.GetAnnotations(), time.Now().UnixNano()
	made.State = cri.ContainerState_CONTAINER_CREATED
	made.LogPath = filepath.Join(q.GetSandboxConfig().GetLogDirectory(), c.GetLogPath())
	p.containers[id] = made
	return &cri.CreateContainerResponse{ContainerId: id}, nil
}

func (r *containerRuntime) StartContainer(_ context.Context, q *cri.StartContainerRequest) (
	*cri.StartContainerResponse, error) {
	p := r.pods
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[q.GetContainerId()]
	if c == nil {
		return nil, grpcstatus.Errorf(codes.NotFound, "no container %q", q.GetContainerId())
	}
	now := time.Now()
	line := fmt.Sprintf("%s stdout F %s\n", now.UTC().Format(time.RFC3339Nano), c.says)
	if err := os.WriteFile(filepath.Join(p.tree, c.LogPath), []byte(line), 0o640); err != nil {
		return nil, err
	}
	c.State, c.StartedAt = cri.ContainerState_CONTAINER_RUNNING, now.UnixNano()
	return &cri.StartContainerResponse{}, nil
}

func (r *containerRuntime) StopContainer(_ context.Context, q *cri.StopContainerRequest) (*cri.StopContainerResponse,
	error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	if c := r.pods.containers[q.GetContainerId()]; c != nil && c.State != cri.ContainerState_CONTAINER_EXITED {
		c.State, c.FinishedAt, c.Reason = cri.ContainerState_CONTAINER_EXITED, time.Now().UnixNano(), "Completed"
	}
	return &cri.StopContainerResponse{}, nil
}

func (r *containerRuntime) RemoveContainer(_ context.Context, q *cri.RemoveContainerRequest) (
	*cri.RemoveContainerResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	delete(r.pods.containers, q.GetContainerId())
	return &cri.RemoveContainerResponse{}, nil
}

func (r *containerRuntime) ContainerStatus(_ context.Context, q *cri.ContainerStatusRequest) (
	*cri.ContainerStatusResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	c := r.pods.containers[q.GetContainerId()]
	if c == nil {
		return nil, grpcstatus.Errorf(codes.NotFound, "no container %q", q.GetContainerId())
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{Id: c.Id, Metadata: c.Metadata, State: c.State,
		CreatedAt: c.CreatedAt, StartedAt: c.StartedAt, FinishedAt: c.FinishedAt, Reason: c.Reason, Image: c.Image,
		ImageRef: c.ImageRef, ImageId: c.ImageRef, Labels: c.Labels, Annotations: c.Annotations,
		LogPath: c.LogPath}}, nil
}

func (r *containerRuntime) ListContainers(_ context.Context, q *cri.ListContainersRequest) (
	*cri.ListContainersResponse, error) {
	r.pods.mu.Lock()
	defer r.pods.mu.Unlock()
	f, answer := q.GetFilter(), &cri.ListContainersResponse{}
	for _, id := range slices.Sorted(maps.Keys(r.pods.containers)) {
		c := r.pods.containers[id]
		if f.GetId() != "" && f.GetId() != id || f.GetState() != nil && f.GetState().GetState() != c.State ||
			f.GetPodSandboxId() != "" && f.GetPodSandboxId() != c.sandbox ||
			!hasLabels(c.Labels, f.GetLabelSelector()) {
			continue
		}
		answer.Containers = append(answer.Containers, &cri.Container{Id: id, PodSandboxId: c.sandbox,
			Metadata: c.Metadata, Image: c.Image, ImageRef: c.ImageRef, ImageId: c.ImageRef, State: c.State,
			CreatedAt: c.CreatedAt, Labels: c.Labels, Annotations: c.Annotations})
	}
	return answer, nil
}

func (r *containerRuntime) ImageStatus(_ context.Context, q *cri.ImageStatusRequest) (*cri.ImageStatusResponse,
	error) {
	name := q.GetImage().GetImage() // every image is there
	return &cri.ImageStatusResponse{Image: &cri.Image{Id: name, RepoTags: []string{name}, Size: 1}}, nil
}
