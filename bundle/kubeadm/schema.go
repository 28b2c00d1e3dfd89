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

// field is one field of a kind. The zero value is a field both versions have
// and nobody here reads.
type field struct {
	shape  shape
	fields fields
	only   string // "v1beta3" or "v1beta4", when the other has no such field
}

type fields map[string]field

const (
	clusterKind = "ClusterConfiguration"
	initKind    = "InitConfiguration"
	joinKind    = "JoinConfiguration"

	beta3 = "v1beta3"
	beta4 = "v1beta4" // and v1, which only adds to it inside lists
)

// kinds lists the fields of kubeadm's own types, of v1beta3 as of 1.22 to 1.36
// and of v1beta4 and v1 as of 1.37.
var kinds = map[string]fields{
	clusterKind: with(typeMeta(), fields{
		"kubernetesVersion":           {shape: text},
		"clusterName":                 {shape: text},
		"certificatesDir":             {shape: text},
		"controlPlaneEndpoint":        {shape: text},
		"imageRepository":             {},
		"featureGates":                {shape: gates},
		"encryptionAlgorithm":         {shape: text, only: beta4},
		"certificateValidityPeriod":   {shape: text, only: beta4},
		"caCertificateValidityPeriod": {shape: text, only: beta4},
		"proxy":                       {only: beta4},
		"networking": {shape: object, fields: fields{
			"serviceSubnet": {shape: text}, "dnsDomain": {shape: text}, "podSubnet": {},
		}},
		"apiServer": {shape: object, fields: with(component(), fields{
			"certSANs": {shape: texts}, "timeoutForControlPlane": {only: beta3},
		})},
		"controllerManager": {shape: object, fields: component()},
		"scheduler":         {shape: object, fields: component()},
		"dns":               {shape: object, fields: with(image(), fields{"disabled": {only: beta4}})},
		"etcd": {shape: object, fields: fields{
			"local": {shape: object, fields: with(image(), fields{
				"dataDir": {}, "extraArgs": {}, "extraEnvs": {only: beta4},
				"serverCertSANs": {shape: texts}, "peerCertSANs": {shape: texts},
			})},
			"external": {shape: object, fields: fields{
				"endpoints": {}, "httpEndpoints": {only: beta4}, "caFile": {}, "certFile": {}, "keyFile": {},
			}},
		}},
	}),
	initKind: with(typeMeta(), nodeFields(), fields{
		"bootstrapTokens": {}, "localAPIEndpoint": apiEndpoint(), "certificateKey": {},
	}),
	joinKind: with(typeMeta(), nodeFields(), fields{
		"caCertPath": {},
		"discovery": {shape: object, fields: fields{
			"bootstrapToken": {}, "file": {}, "tlsBootstrapToken": {}, "timeout": {only: beta3},
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
	return fields{"extraArgs": {}, "extraVolumes": {}, "extraEnvs": {only: beta4}}
}

func nodeFields() fields {
	return fields{
		"nodeRegistration": {shape: object, fields: fields{
			"name": {shape: text}, "criSocket": {}, "taints": {}, "kubeletExtraArgs": {},
			"ignorePreflightErrors": {}, "imagePullPolicy": {}, "imagePullSerial": {only: beta4},
		}},
		"skipPhases": {}, "patches": {}, "dryRun": {only: beta4}, "timeouts": {only: beta4},
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
