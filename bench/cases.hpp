// Each file of this folder registers its cases in one function.
#pragma once

namespace bench {

void add_batch_normalization();
void add_batch_normalization_options();
void add_convolution();
void add_dense();
void add_matrix_product();
void add_tape();
void add_training_step();
void add_cnn_layers();
void add_machine();
void add_fused_blocks();

}  // namespace bench
