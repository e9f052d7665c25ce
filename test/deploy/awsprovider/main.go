// Command awsprovider is a stand-in for Terraform's provider hashicorp/aws. It serves the real provider's schema and
// answers plan, apply and data sources itself, out of a small made-up account, so that a configuration can be validated,
// tested and applied without AWS, without credentials and without a network. It knows names, types and which arguments
// there are; it does not know which values AWS accepts. What is checked beyond the schema is the tests' affair.
//
// With AWSPROVIDER_WRITES set to a file, each apply appends a line of JSON with the write-only arguments that it was
// given, which are in no plan and in no state: {"type":"aws_secretsmanager_secret_version","values":{"secret_string_wo":"…"}};
// a secret's version has its secret_id beside it.
package main

import (
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
)

func main() {
	p, err := newProvider(os.Getenv("AWSPROVIDER_WRITES"))
	if err != nil {
		log.Fatal(err)
	}
	if err := tf5server.Serve("registry.terraform.io/hashicorp/aws", func() tfprotov5.ProviderServer { return p }); err != nil {
		log.Fatal(err)
	}
}
