// A js-libp2p peer: joins one topic, greets it, and tells what it hears, as lines of JSON.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { createInterface } from 'node:readline'

const topic = process.argv[2]
const pskHex = process.argv[3]
const psk = pskHex && new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${pskHex}`)
const say = (fields) => process.stdout.write(JSON.stringify(fields) + '\n')

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  ...(psk ? { connectionProtector: preSharedKey({ psk }) } : {}),
  services: {
    identify: identify(),
    pubsub: gossipsub({ globalSignaturePolicy: 'StrictSign', emitSelf: false, allowPublishToZeroTopicPeers: true }),
  },
})

node.services.pubsub.addEventListener('message', ({ detail }) => {
  if (detail.topic === topic) {
    say({ is: 'received', payload: new TextDecoder().decode(detail.data), type: detail.type, from: detail.from?.toString() })
  }
})
node.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
  say({ is: 'subscribers', peers: node.services.pubsub.getSubscribers(topic).map(String) })
})
node.services.pubsub.subscribe(topic)
say({ is: 'listening', address: node.getMultiaddrs()[0].toString() })

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  if (command.do === 'publish') {
    // Nobody yet: a peer's subscription may be known before the stream to it is open. Say so, the other tries again.
    const { recipients } = await node.services.pubsub.publish(topic, new TextEncoder().encode(command.payload))
    say({ is: 'published', payload: command.payload, recipients: recipients.length })
  }
}
await node.stop()
