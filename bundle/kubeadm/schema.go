package kubeadm

// shape is what a field may hold.
type shape int

const (
	anything shape = iota // not looked into
	text
	texts
	number
	gates // a map of switches
	object
)

// field is one field of a kind. The zero value is a field all versions have and
// nobody here reads.
type field struct {
	shape  shape
	fields fields
	since  version // the first that has it; the zero value is the oldest
	until  version // the last that has it; zero: the newest
}

// version is one of kubeadm's API versions, oldest first.
type version int

const (
	beta1  version = iota // 1.13 to 1.21
	beta2                 // 1.15 to 1.26
	beta3                 // 1.22 to 1.36
	beta4                 // since 1.31
	stable                // only adds to v1beta4 inside lists
)

var versions = []string{"v1beta1", "v1beta2", "v1beta3", "v1beta4", "v1"}

func (v version) String() string { return versions[v] }

// in says whether a version has the field.
func (f field) in(v version) bool { return v >= f.since && (f.until == 0 || v <= f.until) }

// span says which versions have it.
func (f field) span() string {
	if f.until != 0 {
		return "only versions up to " + f.until.String()
	}
	return "only " + f.since.String() + " and later"
}

// judged says whether somebody here reads the field, or anything in it.
func (f field) judged() bool { return f.shape != anything }

type fields map[string]field

const (
	clusterKind = "ClusterConfiguration"
	initKind    = "InitConfiguration"
	joinKind    = "JoinConfiguration"
)

// others are kubeadm's kinds that say nothing about certificates. ClusterStatus
// stands in the ConfigMap of clusters up to 1.21.
var others = []string{"ResetConfiguration", "UpgradeConfiguration", "ClusterStatus"}

// kinds lists the fields of kubeadm's own types, v1beta4 and v1 as of 1.37.
var kinds = map[string]fields{
	clusterKind: with(typeMeta(), fields{
		"kubernetesVersion":           {shape: text},
		"clusterName":                 {shape: text},
		"certificatesDir":             {shape: text},
		"controlPlaneEndpoint":        {shape: text},
		"imageRepository":             {},
		"featureGates":                {shape: gates},
		"encryptionAlgorithm":         {shape: text, since: beta4},
		"certificateValidityPeriod":   {shape: text, since: beta4},
		"caCertificateValidityPeriod": {shape: text, since: beta4},
		"proxy":                       {since: beta4},
		"useHyperKubeImage":           {until: beta2},
		"networking": {shape: object, fields: fields{
			"serviceSubnet": {shape: text}, "dnsDomain": {shape: text}, "podSubnet": {},
		}},
		"apiServer": {shape: object, fields: with(component(), fields{
			"certSANs": {shape: texts}, "timeoutForControlPlane": {until: beta3},
		})},
		"controllerManager": {shape: object, fields: component()},
		"scheduler":         {shape: object, fields: component()},
		"dns": {shape: object, fields: with(image(), fields{"disabled": {since: beta4},
			"type": {until: beta2}})},
		"etcd": {shape: object, fields: fields{
			"local": {shape: object, fields: with(image(), fields{
				"dataDir": {}, "extraArgs": {}, "extraEnvs": {since: beta4},
				"serverCertSANs": {shape: texts}, "peerCertSANs": {shape: texts},
			})},
			"external": {shape: object, fields: fields{
				"endpoints": {}, "httpEndpoints": {since: beta4},
				"caFile": {shape: text}, "certFile": {shape: text}, "keyFile": {shape: text},
			}},
		}},
	}),
	initKind: with(typeMeta(), nodeFields(), fields{
		"bootstrapTokens": {}, "localAPIEndpoint": apiEndpoint(), "certificateKey": {since: beta2},
	}),
	joinKind: with(typeMeta(), nodeFields(), fields{
		"caCertPath": {},
		"discovery": {shape: object, fields: fields{
			"bootstrapToken": {}, "file": {}, "tlsBootstrapToken": {}, "timeout": {until: beta3},
		}},
		"controlPlane": {shape: object, fields: fields{
			"localAPIEndpoint": apiEndpoint(), "certificateKey": {},
		}},
	}),
}

// typeMeta is in every kind. kind, the tool, writes a metadata that kubeadm ignores.
func typeMeta() fields { return fields{"apiVersion": {}, "kind": {}, "metadata": {}} }

func image() fields { return fields{"imageRepository": {}, "imageTag": {}} }

func component() fields {
	return fields{"extraArgs": {}, "extraVolumes": {}, "extraEnvs": {since: beta4}}
}

func nodeFields() fields {
	return fields{
		"nodeRegistration": {shape: object, fields: fields{
			"name": {shape: text}, "criSocket": {}, "taints": {}, "kubeletExtraArgs": {},
			"ignorePreflightErrors": {}, "imagePullPolicy": {}, "imagePullSerial": {since: beta4},
		}},
		"skipPhases": {since: beta3}, "patches": {since: beta3}, "dryRun": {since: beta4}, "timeouts": {since: beta4},
	}
}

func apiEndpoint() field {
	return field{shape: object, fields: fields{"advertiseAddress": {shape: text}, "bindPort": {shape: number}}}
}

// with returns the union.
func with(all ...fields) fields {
	union := make(fields)
	for _, some := range all {
		for name, f := range some {
			union[name] = f
		}
	}
	return union
}

// places are the fields somebody reads, by name: "dnsDomain" is in
// ClusterConfiguration.networking.
var places = func() map[string]string {
	found := make(map[string]string)
	for _, kind := range []string{joinKind, initKind, clusterKind} { // the last one wins
		kinds[kind].find(kind, found)
	}
	return found
}()

func (all fields) find(path string, found map[string]string) {
	for name, f := range all {
		if f.judged() {
			found[name] = path
		}
		f.fields.find(path+"."+name, found)
	}
}
