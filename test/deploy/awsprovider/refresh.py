#!/usr/bin/env python3
"""refresh.py PACKAGE TYPES.TXT > schema.json: from the generated code of the npm package @cdktn/provider-aws, unpacked in
PACKAGE, to the form of `terraform providers schema -json`, for the types that TYPES.TXT names. refresh.sh runs it.

The package is code for another tool, generated from the provider's schema; what it says of each attribute is read with
regular expressions, and whatever changes its form has to be followed here. It says nothing of defaults, of which values are
valid, of arguments that exclude each other, of deprecation and of which change replaces a resource."""
import re, sys, os, json
P = sys.argv[1]; want = {l.strip() for l in open(sys.argv[2]) if l.strip() and not l.startswith('#')}
PRIM = {'string': 'string', 'boolean': 'bool', 'number': 'number', 'any': 'dynamic'}

def camel(s):
    parts = s.split('_')
    return parts[0] + ''.join(p[:1].upper() + p[1:] for p in parts[1:])

def load(d):
    js = ts = ''
    for r, _, fs in os.walk(d):
        for f in sorted(fs):
            if f.endswith('.d.ts'): ts += open(os.path.join(r, f)).read() + '\n'
            elif f.endswith('.js'):
                for line in open(os.path.join(r, f)):
                    if not line.startswith('//# sourceMapping'): js += line
    # CDK Terrain (@cdktn) is the living fork of cdktf; its output has the same form
    return js.replace('cdktn.', 'cdktf.'), ts.replace('cdktn.', 'cdktf.')

def interfaces(ts):
    out = {}
    for m in re.finditer(r'export interface (\w+)(?: extends [\w., ]+)? \{\n(.*?)\n\}', ts, re.S):
        props = {}
        for pm in re.finditer(r'/\*\*(.*?)\*/\s+readonly (\w+)(\??): ', m[2], re.S):
            first = pm[1].strip().lstrip('* ').split('\n')[0]
            tf = re.search(r'#(\w+) \w+#(\w+)\}', pm[1])
            props[pm[2]] = dict(req=pm[3] == '', block=first.endswith(' block'), tf=tf and tf[2])
        out[m[1]] = props
    return out

def attrs_of(body):
    """entries of `const attrs = {...}` -> name -> dict"""
    out = {}
    for m in re.finditer(r'^ {8,12}"?([\w-]+)"?: \{\n\s+value: (.*?),\n\s+isBlock: (\w+),\n\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",\n\s+\}', body, re.M | re.S):
        out[m[1]] = dict(expr=m[2], isBlock=m[3] == 'true', type=m[4], sct=m[5])
    return out

class Mod:
    def __init__(s, d):
        s.js, s.ts = load(d); s.ifs = interfaces(s.ts)
        s.funcs = {m[1]: m[2] for m in re.finditer(r'^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}', s.js, re.M | re.S)}
        s.classes = {m[1]: (m[2], m[3]) for m in re.finditer(r'^class (\w+) extends cdktf\.(\w+) \{\n(.*?)^\}', s.js, re.M | re.S)}

    def prim(s, a):
        e, t, c = a['expr'], a['type'], a['sct']
        base = re.match(r'(string|boolean|number|any)', c)
        el = PRIM[base[1]] if base else 'dynamic'
        depth = len(re.findall(r'(listMapper|hashMapper)(?:Hcl)?', e))
        if t == 'simple': return el
        if depth >= 2:
            inner = ['map', el] if 'hashMapper' in e.split('(', 1)[1] else ['list', el]
            return [t, inner]
        return [t, el]

    def struct(s, lc):
        """lower-camel struct name -> (block) from its ToHcl function + OutputReference class"""
        cls = lc[0].upper() + lc[1:]
        ins = attrs_of(s.funcs.get(lc, '')) if lc in s.funcs else {}
        return s.block(ins, s.ifs.get(cls, {}), s.classes.get(cls + 'OutputReference', ('', ''))[1])

    def block(s, ins, iface, clsbody):
        blk = dict(attributes={}, block_types={})
        for n, a in ins.items():
            p = iface.get(camel(n)) or next((v for v in iface.values() if v['tf'] == n), None) or dict(req=False, block=a['isBlock'])
            m = re.search(r'(?:cdktf\.listMapperHcl\()?(?:index_structs_1\.)?\b(\w+)ToHclTerraform', a['expr'])
            is_struct = bool(m) and not a['expr'].startswith('cdktf.stringTo') and m[1] not in ('string', 'boolean', 'number', 'any') 
            if is_struct:
                nested = s.struct(m[1]); many = 'listMapper' in a['expr'] or 'hashMapper' in a['expr']
                if p['block']:
                    bt = dict(block=nested, nesting_mode={'struct': 'single', 'list': 'list', 'set': 'set', 'map': 'map'}.get(a['type'], 'list'))
                    if bt['nesting_mode'] != 'single':
                        if p['req']: bt['min_items'] = 1
                        if not many: bt['max_items'] = 1
                    blk['block_types'][n] = bt
                else:
                    ty = s.cty(nested)
                    ty = ty if a['type'] == 'struct' else [a['type'], ty]
                    blk['attributes'][n] = dict(type=ty, **({'required': True} if p['req'] else {'optional': True}))
            else:
                blk['attributes'][n] = dict(type=s.prim(a), **({'required': True} if p['req'] else {'optional': True}))
        flags = {m[1]: m[2] == 'true' for m in re.finditer(r'// (\w+) - computed: (\w+), optional: \w+, required: \w+\n', clsbody)}
        for n, a in blk['attributes'].items():
            if a.get('optional') and flags.get(n): a['computed'] = True
        # computed-only
        for m in re.finditer(r'// (\w+) - computed: true, optional: (\w+), required: false\n(?:\s+_\w+ = [^\n]*\n)?\s+get (\w+)\(\) \{\n(.*?)\n    \}', clsbody, re.S):
            n, opt, body = m[1], m[2] == 'true', m[4]
            if n in blk['attributes'] or n in blk['block_types']: continue
            blk['attributes'][n] = dict(type=s.getter(body, clsbody, m[3]), computed=True)
        for m in re.finditer(r'// (\w+) - computed: true, optional: (\w+), required: false\n\s+(?:this\.)?(_\w+) = new (?:index_structs_1\.)?([\w.]+)\(this, "(\w+)"(?:, (\w+))?\)', clsbody):
            n, opt = m[1], m[2] == 'true'
            if n in blk['attributes']:
                blk['attributes'][n]['computed'] = True; continue
            if n in blk['block_types'] : continue
            blk['attributes'][n] = dict(type=s.complex(m[4], m[6] == 'true'), computed=True)
        return blk

    def cty(s, b):
        o = {k: v['type'] for k, v in b['attributes'].items()}
        for k, v in b['block_types'].items():
            t = s.cty(v['block']); o[k] = t if v['nesting_mode'] == 'single' else [v['nesting_mode'], t]
        return ['object', o]

    def complex(s, cls, isset):
        if cls.startswith('cdktf.'):
            return ['map', {'StringMap': 'string', 'BooleanMap': 'bool', 'NumberMap': 'number', 'AnyMap': 'dynamic', 'StringMapList': 'string'}.get(cls[6:], 'string')]
        many = cls.endswith('List')
        name = re.sub(r'(List|OutputReference|Map)$', '', cls)
        t = s.cty(s.struct(name[0].lower() + name[1:]))
        return ['set' if isset else 'list', t] if many else ['map', t] if cls.endswith('Map') else t

    def getter(s, body, clsbody, prop):
        m = re.search(r'get(String|Number|Boolean|NumberList|StringMap|List|BooleanMap|NumberMap|AnyMap)Attribute\(', body)
        if m:
            t = {'String': 'string', 'Number': 'number', 'Boolean': 'bool', 'List': ['list', 'string'], 'NumberList': ['list', 'number'],
                 'StringMap': ['map', 'string'], 'BooleanMap': ['map', 'bool'], 'NumberMap': ['map', 'number'], 'AnyMap': ['map', 'dynamic']}[m[1]]
            if 'Fn.tolist' in body and isinstance(t, list) and t[0] == 'list': t = ['set', t[1]]
            return t
        m = re.search(r'return this\.(_\w+)', body)
        if m:
            c = re.search(r'(?:this\.|\s)' + re.escape(m[1]) + r' = new (?:index_structs_1\.)?([\w.]+)\(this, "\w+"(?:, (\w+))?\)', clsbody)
            if c: return s.complex(c[1], c[2] == 'true')
        if 'interpolationForAttribute' in body: return 'dynamic'
        return 'string'

# Statements of wafv2 nest without end and are `any` in the package. They are strings here, so that only rule_json can be used.
def closed(t):
    if t == 'dynamic': return 'string'
    if isinstance(t, list): return [t[0]] + [closed(x) for x in t[1:]]
    if isinstance(t, dict): return {k: closed(v) for k, v in t.items()}
    return t
def close(b):
    for a in b['attributes'].values(): a['type'] = closed(a['type'])
    for x in b['block_types'].values(): close(x['block'])

PREFIX = dict(resource_schemas='', data_source_schemas='data.', ephemeral_resource_schemas='ephemeral.')
BASES = ('TerraformResource', 'TerraformDataSource', 'TerraformEphemeralResource', 'TerraformProvider')
out = dict(resource_schemas={}, data_source_schemas={}, ephemeral_resource_schemas={}, provider=None, version=None)
for d in sorted(os.listdir(P + '/lib')):
    dd = P + '/lib/' + d
    if not os.path.isdir(dd): continue
    idx = dd + '/index.js'
    if not os.path.exists(idx): continue
    head = open(idx).read().replace('cdktn.', 'cdktf.')
    m = re.search(r"terraformResourceType: '([\w-]+)'", head)
    kind = ('data_source_schemas' if 'extends cdktf.TerraformDataSource' in head else
            'ephemeral_resource_schemas' if 'extends cdktf.TerraformEphemeralResource' in head else 'resource_schemas')
    isprov = 'extends cdktf.TerraformProvider' in head
    if not m or (not isprov and PREFIX[kind] + m[1] not in want): continue
    v = re.search(r"providerVersion: '([\d.]+)'", head)
    if v: out['version'] = v[1]
    mod = Mod(dd)
    cls = [(k, c) for k, c in mod.classes.items() if c[0] in BASES][0]
    body = cls[1][1]
    seg = body[body.index('synthesizeHclAttributes'):]
    try: blk = mod.block(attrs_of(seg), mod.ifs.get(cls[0] + 'Config', {}), body)
    except RecursionError: print('recursive', m[1], file=sys.stderr); continue
    for n, a in blk['attributes'].items():
        # cdktn keeps no mark of write-only; the provider names them all *_wo
        if not isprov and n.endswith('_wo') and a.get('optional'):
            a['write_only'] = True; a.pop('computed', None)
    close(blk)
    entry = dict(version=0, block=blk)
    if isprov: out['provider'] = entry
    else: out[kind][m[1]] = entry
missing = want - {PREFIX[k] + n for k in PREFIX for n in out[k]}
if missing: sys.exit('not in the package: ' + ', '.join(sorted(missing)))
json.dump(out, sys.stdout, indent=1, sort_keys=True)
