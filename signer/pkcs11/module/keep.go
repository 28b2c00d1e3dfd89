//go:build cgo

package module

import (
	"strings"
	"sync"
)

// idle are processes whose module nobody uses, for the next who opens it with the
// same environment: to start one takes longer than what is mostly asked of it.
var idle struct {
	sync.Mutex
	modules []*Module
}

// mostIdle bounds them; a station seldom has more modules.
const mostIdle = 4

func keyOf(path string, environment []string) string {
	return path + "\x00" + strings.Join(environment, "\x00")
}

func keep(m *Module) {
	idle.Lock()
	defer idle.Unlock()
	if idle.modules = append(idle.modules, m); len(idle.modules) > mostIdle {
		idle.modules[0].connection.process.leave()
		idle.modules = idle.modules[1:]
	}
}

// kept takes one out that still answers.
func kept(key string) *Module {
	idle.Lock()
	defer idle.Unlock()
	for i := len(idle.modules) - 1; i >= 0; i-- {
		m := idle.modules[i]
		if m.key != key {
			continue
		}
		idle.modules = append(idle.modules[:i:i], idle.modules[i+1:]...)
		select {
		case <-m.connection.over:
			m.connection.process.leave()
		default:
			return m
		}
	}
	return nil
}
