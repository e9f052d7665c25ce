// Reads {"policy": …, "requests": [{"action", "resource", "context"}, …]} from standard input, and writes for each request
// what AWS would answer: "Allowed", "ImplicitlyDenied", "ExplicitlyDenied", or "error: …".
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { readFileSync } from 'node:fs'

const { policy, requests } = JSON.parse(readFileSync(0, 'utf8'))
const accountId = '123456789012'
// A key answers to IAM where its own policy says so, as that of every key does by default.
const keyPolicy = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${accountId}:root` }, Action: 'kms:*', Resource: '*' }],
}
const answers = []
for (const { action, resource, context } of requests) {
  const result = await runSimulation({
    identityPolicies: [{ name: 'policy', policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(action.startsWith('kms:') ? { resourcePolicy: keyPolicy } : {}),
    request: {
      principal: `arn:aws:iam::${accountId}:role/execution`,
      action,
      resource: { resource, accountId },
      contextVariables: context ?? {},
    },
  }, {})
  answers.push(result.errors ? 'error: ' + JSON.stringify(result.errors) : result.overallResult ?? result.analysis?.result)
}
console.log(JSON.stringify(answers))
