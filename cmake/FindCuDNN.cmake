# cuDNN 9 with its header-only C++ frontend: CuDNN_FOUND and target CuDNN::CuDNN. The library lies beside the CUDA toolkit,
# in a system folder, or in a folder of CMAKE_PREFIX_PATH; the frontend there or in cudnn-frontend/include of
# DFLOP_HEADERS.
find_path(CuDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(CuDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDAToolkit_LIBRARY_DIR})
find_path(CuDNN_FRONTEND_DIR cudnn_frontend.h HINTS ${DFLOP_HEADERS}/cudnn-frontend/include ${CUDAToolkit_INCLUDE_DIRS})
# The frontend compiles kernels of its own at run time.
find_library(CuDNN_NVRTC_LIBRARY NAMES nvrtc libnvrtc.so.13 libnvrtc.so.12 HINTS ${CUDAToolkit_LIBRARY_DIR})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CuDNN REQUIRED_VARS CuDNN_LIBRARY CuDNN_NVRTC_LIBRARY CuDNN_INCLUDE_DIR
                                                      CuDNN_FRONTEND_DIR)
if(CuDNN_FOUND AND NOT TARGET CuDNN::CuDNN)
  add_library(CuDNN::CuDNN UNKNOWN IMPORTED)
  set_target_properties(CuDNN::CuDNN PROPERTIES IMPORTED_LOCATION ${CuDNN_LIBRARY}
                                                INTERFACE_INCLUDE_DIRECTORIES "${CuDNN_INCLUDE_DIR};${CuDNN_FRONTEND_DIR}"
                                                INTERFACE_LINK_LIBRARIES ${CuDNN_NVRTC_LIBRARY})
endif()
