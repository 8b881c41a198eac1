// Decodes a dashboard with the types that Grafana publishes. Unknown fields, missing fields and wrong types are errors, in
// the options of panels and in queries too.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(os.Args[1])
	check("dashboard", err)
	var whole dashboard.Dashboard
	check("dashboard", whole.UnmarshalJSONStrict(text))
	check("dashboard", whole.Validate())
	var raw struct{ Panels []json.RawMessage }
	check("panels", json.Unmarshal(text, &raw))
	// Each panel again: the decoder of the dashboard leaves its panels empty.
	panels := 0
	for index, text := range raw.Panels {
		place := fmt.Sprintf("panels[%d]", index)
		var kind struct{ Type string }
		check(place, json.Unmarshal(text, &kind))
		if kind.Type == "row" {
			continue
		}
		var panel dashboard.Panel
		check(place, panel.UnmarshalJSONStrict(text))
		check(place, panel.Validate())
		// The options of an unknown type would pass unread.
		if _, known := cog.ConfigForPanelcfgVariant(panel.Type); !known {
			check(place, fmt.Errorf("no panel has the type %q", panel.Type))
		}
		panels++
	}
	fmt.Println(panels, "panels")
}

func check(place string, err error) {
	// An empty list of errors is no nil.
	if err != nil && err.Error() != "" {
		fmt.Fprintf(os.Stderr, "%s: %v\n", place, err)
		os.Exit(1)
	}
}
