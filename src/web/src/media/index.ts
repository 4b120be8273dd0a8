// Loaded on its own, since it brings the media library along.

export { LocalMedia } from './local';
export { CallRoom } from './room';
