// Just enough of a FlatBuffer reader for the tables of a .tflite file.

export class Table {
  constructor(view, position) {
    this.view = view;
    this.position = position;
    this.fields = position - view.getInt32(position, true);
    this.size = view.getUint16(this.fields, true);
  }

  static root(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Table(view, view.getUint32(0, true));
  }

  at(field) {
    const slot = 4 + 2 * field;
    const offset = slot < this.size ? this.view.getUint16(this.fields + slot, true) : 0;
    return offset ? this.position + offset : 0;
  }

  int8(field) {
    return this.at(field) ? this.view.getInt8(this.at(field)) : 0;
  }

  uint32(field) {
    return this.at(field) ? this.view.getUint32(this.at(field), true) : 0;
  }

  uint64(field) {
    return this.at(field) ? Number(this.view.getBigUint64(this.at(field), true)) : 0;
  }

  follow(place) {
    return place + this.view.getUint32(place, true);
  }

  table(field) {
    return this.at(field) ? new Table(this.view, this.follow(this.at(field))) : null;
  }

  text(field) {
    if (!this.at(field)) return "";
    const start = this.follow(this.at(field));
    const length = this.view.getUint32(start, true);
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset + start + 4, length);
    return new TextDecoder().decode(bytes);
  }

  list(field, width, read) {
    if (!this.at(field)) return [];
    const start = this.follow(this.at(field));
    const length = this.view.getUint32(start, true);
    return Array.from({ length }, (_, index) => read(start + 4 + width * index));
  }

  int32s(field) {
    return this.list(field, 4, (place) => this.view.getInt32(place, true));
  }

  int64s(field) {
    return this.list(field, 8, (place) => Number(this.view.getBigInt64(place, true)));
  }

  floats(field) {
    return this.list(field, 4, (place) => this.view.getFloat32(place, true));
  }

  tables(field) {
    return this.list(field, 4, (place) => new Table(this.view, this.follow(place)));
  }

  /** A vector of bytes without a copy. */
  bytes(field) {
    if (!this.at(field)) return new Uint8Array();
    const start = this.follow(this.at(field));
    const length = this.view.getUint32(start, true);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + start + 4, length);
  }
}
