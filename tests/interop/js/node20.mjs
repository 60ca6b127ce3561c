// Node 20 lacks this function of ECMAScript 2024, which js-libp2p uses; loaded before it.
Promise.withResolvers ??= function () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
