#!/bin/sh
# The main job on a local directory: an image is built from files, stored, looked at and pulled,
# with no registry in between. Every command is shown before it runs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir storage root

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

export REGCTL_STORAGE="$work/storage"

# A layer, a config and a manifest, made by hand.
echo "hello from a layer" >root/hello.txt
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - -C root . | gzip -n >layer.tar.gz
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}' \
    "$(gzip -dc layer.tar.gz | regctl digest -)" >config.json
cat >manifest.json <<EOF
{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "$(regctl digest config.json)",
    "size": $(wc -c <config.json)
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "$(regctl digest layer.tar.gz)",
      "size": $(wc -c <layer.tar.gz)
    }
  ]
}
EOF

run regctl push-layer demo/hello layer.tar.gz
run regctl push-layer demo/hello config.json
run regctl push-manifest demo/hello:v1 manifest.json
run regctl ls
run regctl ls demo/hello
run regctl inspect demo/hello:v1
run regctl history demo/hello:v1
run regctl pull-manifest demo/hello:v1 -o pulled.json
run regctl pull-layer demo/hello "$(regctl digest layer.tar.gz)" -o pulled.tar.gz
run cmp manifest.json pulled.json
run cmp layer.tar.gz pulled.tar.gz
printf '\nEvery byte came back.\n'
