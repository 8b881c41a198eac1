// Decodes the objects of manifests with the types that Kubernetes publishes. Unknown fields, fields that are there twice,
// wrong types and quantities that cannot be read are errors; then what refers to something else in the file is looked up.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type file struct {
	names     map[string]bool
	workloads []workload
	services  []*core.Service
	// The pods that a policy or a budget selects, by its name.
	selected map[string]*meta.LabelSelector
}

// A Deployment or a StatefulSet.
type workload struct {
	name     string
	selector *meta.LabelSelector
	template core.PodTemplateSpec
	// Those of the claims of a StatefulSet.
	volumes []string
	service string
}

func main() {
	scheme := runtime.NewScheme()
	check("scheme", core.AddToScheme(scheme))
	check("scheme", apps.AddToScheme(scheme))
	check("scheme", networking.AddToScheme(scheme))
	check("scheme", policy.AddToScheme(scheme))
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := 0
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		check(path, err)
		f := file{names: map[string]bool{}, selected: map[string]*meta.LabelSelector{}}
		reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			check(path, err)
			object, kind, err := decoder.Decode(document, nil, nil)
			check(path, err)
			f.add(kind.Kind, object)
			objects++
		}
		for _, workload := range f.workloads {
			f.workload(workload)
		}
		for _, service := range f.services {
			f.service(service)
		}
		for name, selector := range f.selected {
			f.selects(name, selector)
		}
	}
	fmt.Println(objects, "objects")
}

func (f *file) add(kind string, object runtime.Object) {
	about := object.(meta.Object)
	name := kind + "/" + about.GetName()
	require(name, len(validation.IsDNS1123Subdomain(about.GetName())) == 0, "is no name")
	require(name, !f.names[name], "is there twice")
	f.names[name] = true
	switch object := object.(type) {
	case *apps.Deployment:
		f.workloads = append(f.workloads, workload{name: name, selector: object.Spec.Selector, template: object.Spec.Template})
	case *apps.StatefulSet:
		set := workload{name: name, selector: object.Spec.Selector, template: object.Spec.Template, service: object.Spec.ServiceName}
		for _, claim := range object.Spec.VolumeClaimTemplates {
			set.volumes = append(set.volumes, claim.Name)
		}
		f.workloads = append(f.workloads, set)
	case *policy.PodDisruptionBudget:
		f.selected[name] = object.Spec.Selector
	case *networking.NetworkPolicy:
		f.selected[name] = &object.Spec.PodSelector
	case *core.Service:
		f.services = append(f.services, object)
	case *core.Secret:
		for key := range object.StringData {
			f.names[name+"/"+key] = true
		}
	case *core.ConfigMap:
		for key := range object.Data {
			f.names[name+"/"+key] = true
		}
	}
	if kind != "Namespace" {
		require(name, f.names["Namespace/"+about.GetNamespace()], "is in no namespace of the file")
	}
}

func (f *file) workload(workload workload) {
	name := workload.name
	selector, err := meta.LabelSelectorAsSelector(workload.selector)
	check(name, err)
	template := workload.template
	require(name, selector.Matches(labels.Set(template.Labels)), "does not select its own pods")
	require(name, workload.service == "" || f.names["Service/"+workload.service], "has no Service "+workload.service)
	volumes := map[string]bool{}
	for _, volume := range workload.volumes {
		volumes[volume] = true
	}
	for _, volume := range template.Spec.Volumes {
		volumes[volume.Name] = true
		if config := volume.ConfigMap; config != nil {
			require(name, f.names["ConfigMap/"+config.Name], "has no ConfigMap "+config.Name)
		}
	}
	for _, container := range template.Spec.Containers {
		f.container(name+"/"+container.Name, container, volumes)
	}
}

func (f *file) container(name string, container core.Container, volumes map[string]bool) {
	known := map[string]bool{}
	for _, variable := range container.Env {
		require(name, !known[variable.Name], variable.Name+" is there twice")
		for _, match := range reference.FindAllStringSubmatch(variable.Value, -1) {
			require(name, known[match[1]], variable.Name+" needs "+match[1]+" above it")
		}
		known[variable.Name] = true
		from := variable.ValueFrom
		require(name, (variable.Value == "") == (from != nil), variable.Name+" has no value, or two")
		if from != nil && from.SecretKeyRef != nil {
			key := "Secret/" + from.SecretKeyRef.Name + "/" + from.SecretKeyRef.Key
			require(name, f.names[key], variable.Name+" has no "+key)
		}
	}
	ports := map[string]bool{}
	for _, port := range container.Ports {
		ports[port.Name] = true
	}
	for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if probe != nil && probe.HTTPGet != nil {
			require(name, ports[probe.HTTPGet.Port.String()], "has no port "+probe.HTTPGet.Port.String()+" for its probe")
		}
	}
	for _, mount := range container.VolumeMounts {
		require(name, volumes[mount.Name], "has no volume "+mount.Name)
	}
	for _, port := range container.Ports {
		require(name, len(validation.IsValidPortName(port.Name)) == 0, port.Name+" is no name of a port")
	}
	for resource, request := range container.Resources.Requests {
		limit, limited := container.Resources.Limits[resource]
		require(name, limited && request.Cmp(limit) <= 0, string(resource)+" has no limit above its request")
	}
}

func (f *file) service(service *core.Service) {
	name := "Service/" + service.Name
	selector := labels.SelectorFromSet(service.Spec.Selector)
	for _, workload := range f.workloads {
		template := workload.template
		if !selector.Matches(labels.Set(template.Labels)) {
			continue
		}
		ports := map[string]bool{}
		for _, container := range template.Spec.Containers {
			for _, port := range container.Ports {
				ports[port.Name] = true
			}
		}
		for _, port := range service.Spec.Ports {
			require(name, ports[port.TargetPort.String()], "has no port "+port.TargetPort.String())
		}
		return
	}
	require(name, false, "selects no pods of the file")
}

// A budget or a policy without pods protects nothing.
func (f *file) selects(name string, labelSelector *meta.LabelSelector) {
	selector, err := meta.LabelSelectorAsSelector(labelSelector)
	check(name, err)
	for _, workload := range f.workloads {
		if selector.Matches(labels.Set(workload.template.Labels)) {
			return
		}
	}
	require(name, false, "selects no pods of the file")
}

var reference = regexp.MustCompile(`\$\(([A-Z_]+)\)`)

func require(place string, holds bool, problem string) {
	if !holds {
		check(place, errors.New(problem))
	}
}

func check(place string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", place, err)
		os.Exit(1)
	}
}
