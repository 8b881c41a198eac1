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
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type file struct {
	names       map[string]bool
	deployments []*apps.Deployment
	services    []*core.Service
}

func main() {
	scheme := runtime.NewScheme()
	check("scheme", core.AddToScheme(scheme))
	check("scheme", apps.AddToScheme(scheme))
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := 0
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		check(path, err)
		f := file{names: map[string]bool{}}
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
		for _, deployment := range f.deployments {
			f.deployment(deployment)
		}
		for _, service := range f.services {
			f.service(service)
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
		f.deployments = append(f.deployments, object)
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

func (f *file) deployment(deployment *apps.Deployment) {
	name := "Deployment/" + deployment.Name
	selector, err := meta.LabelSelectorAsSelector(deployment.Spec.Selector)
	check(name, err)
	template := deployment.Spec.Template
	require(name, selector.Matches(labels.Set(template.Labels)), "does not select its own pods")
	volumes := map[string]bool{}
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
	for _, deployment := range f.deployments {
		template := deployment.Spec.Template
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
